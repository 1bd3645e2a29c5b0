#!/bin/sh
# Written by haoscar-pxe for {{ node.name }}: each declared card under the name it has on the primary.
# udev is told the same (10-haoscar-*.link), but it gives up where another card holds the name.

card_with() { # card_with MAC: the name that the card with this address has now
    for card in /sys/class/net/*; do
        if [ -e "$card/device" ] && [ "$(cat "$card/address")" = "$1" ]; then
            echo "${card##*/}"
            return 0
        fi
    done
    return 1
}

rename() { # rename NOW NEW
    ip link set dev "$1" down && ip link set dev "$1" name "$2" && echo "$1 is called $2 now"
}

give() { # give NAME MAC, within half a minute
    tries=30
    until now=$(card_with "$2"); do
        tries=$((tries - 1))
        if [ $tries -le 0 ]; then
            echo "there is no card $2, which should be called $1"
            return 1
        fi
        sleep 1
    done
    if [ "$now" = "$1" ]; then return 0; fi
    # A second name of some card (altname) is in the way just as a first one is.
    ip link property del dev "$1" altname "$1" 2>/dev/null
    if [ -e "/sys/class/net/$1" ]; then rename "$1" "other$(cat "/sys/class/net/$1/ifindex")"; fi
    rename "$now" "$1"
}

# What udev can do by itself it does first.
udevadm settle --timeout=10
failed=0
{% for each in interfaces %}
give {{ each.name }} {{ each.mac }} || failed=1
{% endfor %}
exit $failed
