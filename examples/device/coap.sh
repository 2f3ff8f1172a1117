#!/usr/bin/env bash
# A device of the sandbox over CoAP, by hand: libcoap's client (apt: libcoap3-bin), a session each time.
#
#   . sandbox/sandbox.env; export ICS_COAPS_URL ICS_DEV_PSK_ID ICS_DEV_PSK
#   ./coap.sh doc                          the mapping document
#   ./coap.sh watch                        the same, and each that follows, for an hour
#   ./coap.sh ack '{"v":7}'                it is stored
#   ./coap.sh inq ['{"svc":"https://.."}'] what does the service say this device has?
#   ./coap.sh evt '{"id":"..","data":..}'  something for the service behind that pair
#   ./coap.sh rev '{"id":".."}'            its user does not want that pair any more
#
# coap-client ends with 0 even when it is refused; the refusal is on standard error.
set -euo pipefail
export LC_ALL=C

# The key is hexadecimal in ICS_DEV_PSK, and bits on the command line. The x: `$(..)` cuts line ends off.
key=$(printf '%b' "$(sed 's/../\\x&/g' <<<"$ICS_DEV_PSK")"; printf x)

ask() {
    "${COAP_CLIENT:-coap-client-openssl}" -u "$ICS_DEV_PSK_ID" -k "${key%x}" "${@:2}" "${ICS_COAPS_URL%/}/ics/v1/$1"
}

case "${1:-}" in
    doc) ask doc -m get -A 50 ;;
    watch) ask doc -m get -A 50 -w -s 3600 ;;
    ack) ask doc/ack -m post -t 50 -f - <<<"$2" ;;
    inq) if [ $# = 1 ]; then ask inq -m get -A 50; else ask inq -m fetch -A 50 -t 50 -f - <<<"$2"; fi ;;
    evt | rev) ask "$1" -m post -t 50 -f - <<<"$2" ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
