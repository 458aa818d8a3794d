# Starts RabbitMQ for a script that sources this: Debian's package (apt-get install rabbitmq-server), in the
# temporary folder `$folder`, on free ports of 127.0.0.1. `$url` is where. `broker_stop` ends it.
broker=$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server) || {
    echo "RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server"
    exit 1
}
ports=($(python3 -c '
import socket
ends = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(end.getsockname()[1] for end in ends))'))
url="amqp://guest:guest@127.0.0.1:${ports[0]}/%2f"
mkdir -p "$folder/data" "$folder/log"
touch "$folder/rabbitmq.conf"
echo '[].' >"$folder/none"
env -i PATH="$PATH" HOME="$folder" LANG=C.UTF-8 ERL_EPMD_PORT="${ports[2]}" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODENAME="finding${ports[0]}@localhost" \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="${ports[0]}" RABBITMQ_DIST_PORT="${ports[1]}" \
    RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$folder/none" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$folder/none" RABBITMQ_MNESIA_BASE="$folder/data" \
    RABBITMQ_LOG_BASE="$folder/log" RABBITMQ_GENERATED_CONFIG_DIR="$folder/schema" \
    RABBITMQ_PID_FILE="$folder/pid" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
    "$broker" >"$folder/log/out" 2>&1 &
started=$!
broker_stop() {
    kill "$(cat "$folder/pid" 2>/dev/null || echo "$started")" 2>/dev/null || true
    wait "$started" 2>/dev/null || true
    ERL_EPMD_PORT="${ports[2]}" epmd -kill >"$folder/log/epmd" 2>&1 || true
}
trap 'broker_stop; rm -rf "$folder"' EXIT
for _ in $(seq 120); do
    grep -qs 'Starting broker... completed' "$folder/log/out" && break
    sleep 0.5
done
