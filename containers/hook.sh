#!/bin/sh
# Does to regions in containers what their control services cannot: `beringia drill run … --attach --hook containers/hook.sh`.
#
# A region's container is called $BERINGIA_PREFIX-REGION, the network between the regions $BERINGIA_NETWORK, and a region's database lies in
# $BERINGIA_DATA/REGION on this machine. Where nothing is set: as in compose.yaml beside this file.
#
# One link between two regions is cut by a route within the container of the sender that swallows what goes to the other. That needs root and
# nsenter (util-linux) and ip (iproute2) on the machine that runs the containers; connections fall silent, they are not reset.
set -eu

prefix=${BERINGIA_PREFIX:-beringia}
network=${BERINGIA_NETWORK:-beringia-wan}
data=${BERINGIA_DATA:-$(dirname "$0")/data}
# Regions that are disconnected now, and the address to which each comes back.
away=${TMPDIR:-/tmp}/$network-disconnected
# Links that are cut now, as FROM:TO.
severed=${TMPDIR:-/tmp}/$network-severed

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

# Has the container of region $1 do something with the route that swallows what goes to region $2.
route() {
    pid=$(docker inspect --format '{{.State.Pid}}' "$prefix-$1")
    # A container that does not run has no routes.
    if [ "$pid" != 0 ]; then nsenter --net="/proc/$pid/ns/net" ip route "$3" blackhole "$(address_of "$2")/32"; fi
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

# Containers that were started or connected anew have no routes but the usual ones.
cut_again() {
    for link in "$severed"/*; do
        if [ -e "$link" ]; then
            link=$(basename "$link")
            route "${link%%:*}" "${link#*:}" replace
        fi
    done
}

case $1 in
can)
    case $2 in
    isolate | heal | crash | restart | undo) ;;
    cut)
        if [ "$(id -u)" != 0 ] || ! command -v nsenter >/dev/null || ! command -v ip >/dev/null; then
            echo "to cut single links it needs root, nsenter and ip on this machine; whole regions it can isolate without" >&2
            exit 1
        fi
        ;;
    *)
        echo "it connects and disconnects containers, and cuts links; their delay, loss and bandwidth it cannot change" >&2
        exit 1
        ;;
    esac
    ;;
isolate) disconnect "$2" ;;
cut)
    cut "$2" "$3"
    if [ "$4" = both ]; then cut "$3" "$2"; fi
    ;;
heal)
    if [ $# -gt 1 ]; then
        connect "$2"
        connect "$3"
        join "$2" "$3"
        if [ "$4" = both ]; then join "$3" "$2"; fi
        cut_again
    else
        connect_all
        join_all
    fi
    ;;
crash)
    docker kill "$prefix-$2"
    if [ "$3" = lose-disk ]; then rm -rf "${data:?}/${2:?}"/*; fi
    ;;
restart)
    docker start "$prefix-$2"
    cut_again
    ;;
undo)
    connect_all
    join_all
    stopped=$(docker ps --all --quiet --filter "name=^$prefix-" --filter status=exited)
    if [ -n "$stopped" ]; then docker start $stopped; fi
    ;;
*)
    echo "cannot $1" >&2
    exit 1
    ;;
esac
