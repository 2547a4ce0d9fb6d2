#!/bin/sh
# Does to regions in containers what their control services cannot: `beringia drill run … --attach --hook containers/hook.sh`.
#
# A region's container is called $BERINGIA_PREFIX-REGION, the network between the regions $BERINGIA_NETWORK, and a region's database lies in
# $BERINGIA_DATA/REGION on this machine. Where nothing is set: as in compose.yaml beside this file.
#
# One link between two regions is cut by a route within the container of the sender that swallows what goes to the other. That needs root and
# nsenter (util-linux) and ip (iproute2) on the machine that runs the containers; connections fall silent, they are not reset.
#
# Delay, jitter, loss and bandwidth of a link are set within the container of the sender, too, on its packets to the other. They come on top of
# what the network has by itself. That needs tc (iproute2) as well and, in the kernel, htb and u32; delay and loss need netem (sch_netem) besides.
# tc knows no delay of more than 274 s.
set -eu

prefix=${BERINGIA_PREFIX:-beringia}
network=${BERINGIA_NETWORK:-beringia-wan}
data=${BERINGIA_DATA:-$(dirname "$0")/data}
# Regions that are disconnected now, and the address to which each comes back.
away=${TMPDIR:-/tmp}/$network-disconnected
# Links that are cut now, as FROM:TO.
severed=${TMPDIR:-/tmp}/$network-severed
# What was set on links, in FROM/TO: one file for each word, which holds what the word was given.
shaped=${TMPDIR:-/tmp}/$network-shaped
# More than any link is limited to.
unlimited=1000gbit

address_of() {
    # One that is disconnected has the address to which it comes back.
    if [ -e "$away/$1" ]; then
        cat "$away/$1"
        return
    fi
    docker inspect --format "{{with index .NetworkSettings.Networks \"$network\"}}{{.IPAMConfig.IPv4Address}}{{end}}" "$prefix-$1"
}

disconnect() {
    if [ -e "$away/$1" ]; then return; fi
    mkdir -p "$away"
    # Before the file is there, from which it would be read.
    address=$(address_of "$1")
    echo "$address" > "$away/$1"
    docker network disconnect --force "$network" "$prefix-$1"
}

connect() {
    if [ ! -e "$away/$1" ]; then return; fi
    docker network connect --ip "$(cat "$away/$1")" "$network" "$prefix-$1"
    rm "$away/$1"
}

connect_all() {
    for region in "$away"/*; do
        if [ -e "$region" ]; then connect "$(basename "$region")"; fi
    done
}

# Runs a command in the network of the container of region $1; one that does not run has none.
within() {
    pid=$(docker inspect --format '{{.State.Pid}}' "$prefix-$1")
    shift
    if [ "$pid" != 0 ]; then nsenter --net="/proc/$pid/ns/net" "$@"; fi
}

# Has the container of region $1 do something with the route that swallows what goes to region $2.
route() {
    within "$1" ip route "$3" blackhole "$(address_of "$2")/32"
}

cut() {
    if [ -e "$severed/$1:$2" ]; then return; fi
    mkdir -p "$severed"
    touch "$severed/$1:$2"
    route "$1" "$2" replace
}

join() {
    if [ ! -e "$severed/$1:$2" ]; then return; fi
    # A container that was started anew has lost it already.
    route "$1" "$2" del 2>/dev/null || true
    rm "$severed/$1:$2"
}

join_all() {
    for link in "$severed"/*; do
        if [ -e "$link" ]; then
            link=$(basename "$link")
            join "${link%%:*}" "${link#*:}"
        fi
    done
}

# The interface by which region $1 reaches the others, if it is connected and runs.
interface_of() {
    within "$1" ip -o -4 address show to "$(address_of "$1")" | awk '{ print $2 }'
}

# Gives the link from region $1 to region $2 what was set on it: a class of its own, by the address of the other.
shape() {
    interface=$(interface_of "$1")
    if [ -z "$interface" ]; then return; fi
    address=$(address_of "$2")
    class=1:$(echo "$address" | awk -F. '{ printf "%x", $3 * 256 + $4 }')
    settings=$shaped/$1/$2
    classes=$(within "$1" tc class show dev "$interface")
    case $classes in
    *'class htb '*) ;;
    *) within "$1" tc qdisc add dev "$interface" root handle 1: htb ;;
    esac
    within "$1" tc class replace dev "$interface" parent 1: classid "$class" htb rate "$(rate_in "$settings")" quantum 1514
    if [ -e "$settings/delay" ] || [ -e "$settings/loss" ]; then
        # shellcheck disable=SC2046 # several words
        within "$1" tc qdisc replace dev "$interface" parent "$class" netem $(netem_in "$settings")
    fi
    case $classes in
    *"class htb $class "*) ;;
    *) within "$1" tc filter add dev "$interface" parent 1: protocol ip prio 1 u32 match ip dst "$address/32" flowid "$class" ;;
    esac
}

# The rate of the link with the settings in $1.
rate_in() {
    mbit=$(cat "$1/bandwidth" 2>/dev/null || echo unlimited)
    if [ "$mbit" = unlimited ]; then echo "$unlimited"; else echo "${mbit}mbit"; fi
}

# What netem is to do to the link with the settings in $1. Jitter is what a packet may take longer, to netem what it may differ from the middle.
# With a rate, packets stay in order.
netem_in() {
    times=$(cat "$1/delay" 2>/dev/null || echo 0 0)
    times=$(echo "$times" | awk '{ printf "%.3fms %.3fms", $1 + $2 / 2, $2 / 2 }')
    echo "limit 10000 delay $times loss $(cat "$1/loss" 2>/dev/null || echo 0)% rate $unlimited"
}

# Sets $3 on the link from region $1 to region $2 to what follows; the other settings stay.
set_on_link() {
    mkdir -p "$shaped/$1/$2"
    link=$shaped/$1/$2/$3
    from=$1
    to=$2
    shift 3
    echo "$*" > "$link"
    shape "$from" "$to"
}

unshape_all() {
    for region in "$shaped"/*; do
        if [ -e "$region" ]; then
            interface=$(interface_of "$(basename "$region")")
            # A container that was started or connected anew may have lost it already.
            if [ -n "$interface" ]; then within "$(basename "$region")" tc qdisc del dev "$interface" root 2>/dev/null || true; fi
            rm -r "$region"
        fi
    done
}

# Containers that were started or connected anew have no routes but the usual ones, and nothing set on their links.
set_again() {
    for link in "$severed"/*; do
        if [ -e "$link" ]; then
            link=$(basename "$link")
            route "${link%%:*}" "${link#*:}" replace
        fi
    done
    for link in "$shaped"/*/*; do
        if [ -e "$link" ]; then shape "$(basename "$(dirname "$link")")" "$(basename "$link")"; fi
    done
}

# Whether this is root, and these commands are on this machine.
has() {
    if [ "$(id -u)" != 0 ]; then return 1; fi
    for command in "$@"; do
        if ! command -v "$command" >/dev/null; then return 1; fi
    done
}

# Whether the kernel can do something to the packets of one link. Asked in a network that is gone afterwards.
kernel_has() {
    leaf=
    if [ "$1" = netem ]; then leaf='tc qdisc add dev lo parent 1:1 netem delay 1ms &&'; fi
    unshare --net sh -c "tc qdisc add dev lo root handle 1: htb &&
        tc class add dev lo parent 1: classid 1:1 htb rate 1mbit quantum 1514 && $leaf
        tc filter add dev lo parent 1: protocol ip prio 1 u32 match ip dst 10.0.0.1/32 flowid 1:1" 2>/dev/null
}

refuse() {
    echo "$1" >&2
    exit 1
}

case $1 in
can)
    case $2 in
    isolate | heal | crash | restart | undo) ;;
    cut)
        has nsenter ip ||
            refuse "to cut single links it needs root, nsenter and ip on this machine; whole regions it can isolate without"
        ;;
    delay | loss | bandwidth)
        has nsenter unshare ip tc ||
            refuse "to set the $2 of links it needs root, nsenter, unshare, ip and tc on this machine"
        kernel_has htb || refuse "to set the $2 of links it needs htb and u32 in this machine's kernel (sch_htb, cls_u32)"
        [ "$2" = bandwidth ] || kernel_has netem || refuse "to set the $2 of links it needs netem in this machine's kernel (sch_netem)"
        ;;
    *) refuse "it connects and disconnects containers, kills and starts them, cuts links and sets their delay, loss and bandwidth" ;;
    esac
    ;;
isolate) disconnect "$2" ;;
cut)
    cut "$2" "$3"
    if [ "$4" = both ]; then cut "$3" "$2"; fi
    ;;
delay | loss | bandwidth)
    word=$1
    one=$2
    other=$3
    ways=$4
    shift 4
    set_on_link "$one" "$other" "$word" "$@"
    if [ "$ways" = both ]; then set_on_link "$other" "$one" "$word" "$@"; fi
    ;;
heal)
    if [ $# -gt 1 ]; then
        connect "$2"
        connect "$3"
        join "$2" "$3"
        if [ "$4" = both ]; then join "$3" "$2"; fi
    else
        connect_all
        join_all
    fi
    # What was set on links stays, whether they are cut or open.
    set_again
    ;;
crash)
    docker kill "$prefix-$2"
    if [ "$3" = lose-disk ]; then rm -rf "${data:?}/${2:?}"/*; fi
    ;;
restart)
    docker start "$prefix-$2"
    set_again
    ;;
undo)
    connect_all
    join_all
    unshape_all
    stopped=$(docker ps --all --quiet --filter "name=^$prefix-" --filter status=exited)
    # shellcheck disable=SC2086 # several containers
    if [ -n "$stopped" ]; then docker start $stopped; fi
    ;;
*) refuse "cannot $1" ;;
esac
