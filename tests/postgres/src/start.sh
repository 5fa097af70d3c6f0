# Runs a server of PostgreSQL until the program that started this ends, however it ends: its end of the pipe is closed then.
# $1: the programs; $2: a folder of this user; $3: the port.
set -eu
bin=$1 folder=$2 port=$3
"$bin/initdb" -D "$folder/data" -U cara -A trust -E UTF8 --locale=C --no-sync --no-instructions
# No test takes the power away, so nothing is flushed.
cat >>"$folder/data/postgresql.conf" <<END
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 300
fsync = off
full_page_writes = off
max_wal_size = 256MB
ssl = on
ssl_cert_file = '$folder/server.pem'
ssl_key_file = '$folder/server.key'
END
"$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start </dev/null
echo "the server is ready"
cat >/dev/null
"$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$folder"
