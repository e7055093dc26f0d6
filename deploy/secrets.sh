#!/bin/sh
# Makes the secrets that compose.yaml mounts, once: deploy/secrets.sh [FOLDER], default deploy/secrets. What is there is kept.
# The API key is yours: put it into api_key there, readable by all as the others are (not needed for the mock).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/secrets}

# The folder is closed to others. The files within are not, since the users inside the containers must be able to read them.
umask 022
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

secret() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() { [ -s "$1" ] || cat >"$1"; }

secret | keep fingerprint_key
secret | keep admin_token
secret | keep grafana_password
if ! [ -s redis_url ] || ! [ -s redis-users.acl ]; then
	password=$(secret)
	echo "redis://bridge:$password@redis:6379/0" >redis_url
	{
		sed "s/>CHANGE-ME/>$password/" "$here/redis-users.acl"
		echo "user default off"
		# For the health check of the container: it may ask whether Redis is there, and nothing else.
		echo "user health on nopass resetchannels resetkeys -@all +ping"
	} >redis-users.acl
fi
if ! [ -s nats_url ] || ! [ -s nats-passwords.conf ]; then
	bridge=$(secret) reader=$(secret)
	echo "nats://bridge:$bridge@nats:4222" >nats_url
	echo "nats://reader:$reader@127.0.0.1:4222" >reader_url
	printf 'BRIDGE_PASSWORD: "%s"\nREADER_PASSWORD: "%s"\n' "$bridge" "$reader" >nats-passwords.conf
fi
