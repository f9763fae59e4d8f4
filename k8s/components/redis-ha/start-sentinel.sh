#!/bin/sh
# A Sentinel writes what it learns into its own file, so it gets one it may write.
#
# A primary that is silent for 5 s is replaced. Where the three elect each other at the same moment
# nobody wins, and they try again after twice the time-out: 12 s, well within what leases go on for
# without a store (GATEBEYZ_STORE_GRACE_S).
set -eu
umask 077
password="$(sed -n 's/^requirepass //p' /run/secrets/redis/credential.conf)"
cat > /data/sentinel.conf <<END
port 26379
dir /data
requirepass $password
sentinel sentinel-pass $password
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $(hostname).sentinel
sentinel monitor gatebeyz redis-0.redis 6379 2
sentinel auth-pass gatebeyz $password
sentinel down-after-milliseconds gatebeyz 5000
sentinel failover-timeout gatebeyz 6000
sentinel parallel-syncs gatebeyz 1
END
exec valkey-server /data/sentinel.conf --sentinel
