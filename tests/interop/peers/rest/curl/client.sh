#!/usr/bin/env bash
# A client of curl and jq.
set -euo pipefail
base=http://$1:$2 nick=$3 token=$4

# Sends a request and prints the body of the answer, also of a refusal: METHOD PATH [JSON] [HEADER...].
ask() {
    local method=$1 path=$2 body=${3:-} options=()
    shift $(($# < 3 ? $# : 3))
    for header in "$@"; do options+=(-H "$header"); done
    [ -z "$body" ] || options+=(-H "Content-Type: application/json" --data-binary "$body")
    # A wait of 20 s is no hang; a proxy is none of this room's business.
    curl --noproxy '*' --silent --show-error --max-time 30 -X "$method" "${options[@]}" "$base$path"
}

hex() { od -An -v -tx1 | tr -d ' \n'; }
texts() { jq -c '[.events[] | select(.kind == "sent") | .text]'; }
nick_of() { jq -cn --arg nick "$1" '{nick: $nick}'; }
text_of() { jq -cn --arg text "$1" '{text: $text}'; }

echo "version $(curl --version | sed -n '1s/^curl \([0-9.]*\).*/\1/p')"
access="Authorization: Bearer $token"
echo "token $(ask POST /rooms/lab/seats "$(nick_of "$nick")" | jq -r .code)"
echo "refused $(ask POST /rooms/lab/seats "$(nick_of ann)" "$access" | jq -r .code)"

seat=$(ask POST /rooms/lab/seats "$(nick_of "$nick")" "$access")
key="Seat-Key: $(jq -r .seat_key <<<"$seat")"
as=("$access" "$key")
echo "members $(ask GET /rooms/lab/members "" "${as[@]}" | jq -r '[.members[].nick] | sort | join(" ")')"
page=$(ask GET "/rooms/lab/events?after=$(jq .start <<<"$seat")" "" "${as[@]}")
echo "reads $(texts <<<"$page" | jq -j '.[-1]' | hex)"
last=$(jq '[.events[] | select(.kind == "sent") | .seq] | max' <<<"$page")
older=$(ask GET "/rooms/lab/events?before=$last&limit=2" "" "${as[@]}" | texts)
echo "history $(jq -j '.[0]' <<<"$older" | hex) $(jq -j '.[1]' <<<"$older" | hex)"

id=$(ask POST /rooms/lab/messages "$(text_of $'ä 漢字\n&<>')" "${as[@]}" "Idempotency-Key: 1" | jq .id)
echo waiting
echo "waits $(ask GET "/rooms/lab/events?after=$id&wait=20" "" "${as[@]}" | texts | jq -j '.[0]' | hex)"
ask PUT "/rooms/lab/messages/$id" "$(text_of $'漢字 ä\n<&>')" "${as[@]}" "Idempotency-Key: 2" >/dev/null
ask DELETE "/rooms/lab/messages/$id" "" "${as[@]}" "Idempotency-Key: 3"
ask DELETE "/rooms/lab/seats/$(jq -r .seat <<<"$seat")" "" "${as[@]}"
