#!/bin/sh
# Does to regions in containers what their control services cannot: `beringia drill run … --attach --hook containers/hook.sh`.
#
# A region's container is called $BERINGIA_PREFIX-REGION, the network between the regions $BERINGIA_NETWORK, and a region's database lies in
# $BERINGIA_DATA/REGION on this machine. Where nothing is set: as in compose.yaml beside this file.
set -eu

prefix=${BERINGIA_PREFIX:-beringia}
network=${BERINGIA_NETWORK:-beringia-wan}
data=${BERINGIA_DATA:-$(dirname "$0")/data}
# Regions that are disconnected now, and the address to which each comes back.
away=${TMPDIR:-/tmp}/$network-disconnected

address_of() {
    docker inspect --format "{{with index .NetworkSettings.Networks \"$network\"}}{{.IPAMConfig.IPv4Address}}{{end}}" "$prefix-$1"
}

disconnect() {
    if [ -e "$away/$1" ]; then return; fi
    mkdir -p "$away"
    address_of "$1" > "$away/$1"
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

case $1 in
can)
    case $2 in
    isolate | heal | crash | restart) ;;
    *)
        echo "it connects and disconnects whole containers; single links and their settings it cannot change" >&2
        exit 1
        ;;
    esac
    ;;
isolate) disconnect "$2" ;;
heal)
    if [ $# -gt 1 ]; then
        connect "$2"
        connect "$3"
    else
        connect_all
    fi
    ;;
crash)
    docker kill "$prefix-$2"
    if [ "$3" = lose-disk ]; then rm -rf "${data:?}/${2:?}"/*; fi
    ;;
restart) docker start "$prefix-$2" ;;
undo)
    connect_all
    stopped=$(docker ps --all --quiet --filter "name=^$prefix-" --filter status=exited)
    if [ -n "$stopped" ]; then docker start $stopped; fi
    ;;
*)
    echo "cannot $1" >&2
    exit 1
    ;;
esac
