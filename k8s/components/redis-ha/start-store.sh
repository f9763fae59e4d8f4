#!/bin/sh
# Follows whom the Sentinels name; the first one of an empty installation leads. Pods are known by
# name, so that a new address does not make a new member.
set -eu
me="$(hostname).redis"
REDISCLI_AUTH="$(sed -n 's/^requirepass //p' /run/secrets/redis/credential.conf)"
export REDISCLI_AUTH
primary="$(valkey-cli -h sentinel -p 26379 --raw sentinel get-master-addr-by-name gatebeyz 2>/dev/null | head -n 1 || true)"
if [ -z "$primary" ]; then
  primary="redis-0.redis"
fi
set -- valkey-server /etc/valkey/valkey.conf --replica-announce-ip "$me"
if [ "$primary" != "$me" ]; then
  set -- "$@" --replicaof "$primary" 6379
fi
exec "$@"
