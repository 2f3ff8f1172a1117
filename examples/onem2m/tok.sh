#!/bin/sh
# Signs a oneM2M content for the identity correlation service: reads it, and writes it with `tok`.
#
#   tok.sh KEY AE OPERATION TO < content.json
#
# KEY        Ed25519 private key, PEM; the operator registered its public half (sp onem2m --onem2m-key)
# AE         who asks, SP-relative: /id-in/Cshop
# OPERATION  1 create, 3 update
# TO         the target, SP-relative: /id-ics/ics/map
#
# `tok` is a JWS (RFC 7515) over who asks for what, and over the content by its SHA-256: in canonical form
# (RFC 8785), which `jq -cS` writes as long as numbers are whole and names are ASCII.
set -eu
key=$1 ae=$2 operation=$3 to=$4

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

content=$(jq -cS .)
digest=$(printf %s "$content" | jq -cSj '.[]' | openssl dgst -sha256 -binary | base64url)
claims=$(jq -cn --arg fr "$ae" --argjson op "$operation" --arg to "$to" --arg cth "$digest" \
  --arg jti "$(cat /proc/sys/kernel/random/uuid)" --argjson now "$(date +%s)" \
  '{fr: $fr, op: $op, to: $to, aud: "/id-ics", jti: $jti, iat: $now, exp: ($now + 60), cth: $cth}')
signed=$(printf %s '{"alg":"EdDSA"}' | base64url).$(printf %s "$claims" | base64url)
message=$(mktemp)
trap 'rm -f "$message"' EXIT
printf %s "$signed" > "$message"
signature=$(openssl pkeyutl -sign -rawin -inkey "$key" -in "$message" | base64url)
printf %s "$content" | jq -c --arg tok "$signed.$signature" 'map_values(. + {tok: $tok})'
