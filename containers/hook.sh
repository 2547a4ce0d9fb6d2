#!/bin/sh
# Carries out actions on regions in containers that their control services cannot carry out:
# `beringia drill run … --attach --hook containers/hook.sh`.
#
# A region's container is named $BERINGIA_PREFIX-REGION, the network between the regions
# $BERINGIA_NETWORK, and a region's database is in $BERINGIA_DATA/REGION on this machine. The
# defaults match compose.yaml in this directory.
#
# A link between two regions is cut by a route in the sender's container that drops packets to the
# other region. That needs root, and nsenter (util-linux) and ip (iproute2) on the machine that runs
# the containers. Connections fall silent; they are not reset.
#
# Delay, jitter, loss and bandwidth of a link are also set in the sender's container, on its packets
# to the other region, in addition to what the network has by itself. That needs tc (iproute2), too,
# and htb and u32 in the kernel; delay and loss also need netem (sch_netem). tc allows no delay of
# more than 274 s.
set -eu

prefix=${BERINGIA_PREFIX:-beringia}
network=${BERINGIA_NETWORK:-beringia-wan}
data=${BERINGIA_DATA:-$(dirname "$0")/data}
# Disconnected regions, each with the address that it gets when it is connected again.
away=${TMPDIR:-/tmp}/$network-disconnected
# Cut links, as FROM:TO.
severed=${TMPDIR:-/tmp}/$network-severed
# Settings of links, in FROM/TO: one file for each word, with the word's arguments.
shaped=${TMPDIR:-/tmp}/$network-shaped
# A rate above the limit of any link.
unlimited=1000gbit

address_of() {
    # A disconnected region has the address that it gets when it is connected again.
    if [ -e "$away/$1" ]; then
        cat "$away/$1"
        return
    fi
    docker inspect --format "{{with index .NetworkSettings.Networks \"$network\"}}{{.IPAMConfig.IPv4Address}}{{end}}" "$prefix-$1"
}

disconnect() {
    if [ -e "$away/$1" ]; then return; fi
    mkdir -p "$away"
    # Read the address before the file exists: address_of would read it from there.
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

# Runs a command in the network of region $1's container; does nothing if the container is not
# running.
within() {
    pid=$(docker inspect --format '{{.State.Pid}}' "$prefix-$1")
    shift
    if [ "$pid" != 0 ]; then nsenter --net="/proc/$pid/ns/net" "$@"; fi
}

# Changes, in region $1's container, the route that drops packets to region $2, as $3 says.
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
    # A container that was restarted has lost the route already.
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

# The interface by which region $1 reaches the others, if it is connected and running.
interface_of() {
    within "$1" ip -o -4 address show to "$(address_of "$1")" | awk '{ print $2 }'
}

# Applies the settings of the link from region $1 to region $2, with a traffic class of its own that
# matches the other region's address.
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

# The netem arguments for the link with the settings in $1. Jitter is the greatest extra delay of a
# packet, but netem's is the deviation from the middle. With a rate, packets stay in order.
netem_in() {
    times=$(cat "$1/delay" 2>/dev/null || echo 0 0)
    times=$(echo "$times" | awk '{ printf "%.3fms %.3fms", $1 + $2 / 2, $2 / 2 }')
    echo "limit 10000 delay $times loss $(cat "$1/loss" 2>/dev/null || echo 0)% rate $unlimited"
}

# Sets $3 on the link from region $1 to region $2 to the remaining arguments; the other settings
# stay.
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
            # A container that was restarted or connected again may have lost it already.
            if [ -n "$interface" ]; then within "$(basename "$region")" tc qdisc del dev "$interface" root 2>/dev/null || true; fi
            rm -r "$region"
        fi
    done
}

# Containers that were restarted or connected again have only the default routes, and no settings on
# their links.
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

# Whether this runs as root, and these commands are on this machine.
has() {
    if [ "$(id -u)" != 0 ]; then return 1; fi
    for command in "$@"; do
        if ! command -v "$command" >/dev/null; then return 1; fi
    done
}

# Whether the kernel can shape the packets of one link. Tested in a temporary network namespace.
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
            refuse "to cut single links, run it as root and install nsenter and ip; it can isolate whole regions without them"
        ;;
    delay | loss | bandwidth)
        has nsenter unshare ip tc ||
            refuse "to set the $2 of links, run it as root and install nsenter, unshare, ip and tc"
        kernel_has htb || refuse "the $2 of links needs htb and u32 in this machine's kernel (sch_htb, cls_u32)"
        [ "$2" = bandwidth ] || kernel_has netem || refuse "the $2 of links needs netem in this machine's kernel (sch_netem)"
        ;;
    *) refuse "it can only connect and disconnect containers, kill and start them, cut links, and set their delay, loss and bandwidth" ;;
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
    # The settings of links stay, whether the links are cut or open.
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
