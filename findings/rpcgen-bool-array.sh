#!/usr/bin/env bash
# rpcgen 1.4.3 with libtirpc 1.3.3 (Debian 12: apt-get install gcc libtirpc-dev rpcsvc-proto;
# https://github.com/thkukuk/rpcsvc-proto), rpcgen/rpc_cout.c, inline code.
# Expected: `bool seen[4]` in a struct is sent as four booleans of four bytes each (RFC 4506, 4.4), as `bool seen` is
# sent as one.
# Seen: rpcgen writes inline code that walks through the array with a `bool *`, and the array is of bool_t, an int. In
# C without <stdbool.h> that does not compile ("unknown type name 'bool'"). With it, bool is one byte, and gcc 12 only
# warns of the pointer: the loop reads the bytes of the first integer, and 1 0 1 1 is sent as 1 0 0 0. `rpcgen -i 0`,
# which writes no inline code, is right; and for `bool seen<4>` rpcgen writes none.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for tool in gcc rpcgen; do
    command -v "$tool" >/dev/null || {
        echo "$tool is not installed: apt-get install --no-install-recommends gcc libtirpc-dev rpcsvc-proto cpp"
        exit 1
    }
done
cd "$folder"

cat >room.x <<'XDR'
struct room { bool seen[4]; int members; int lines; int head; };
XDR
cat >send.c <<'C'
#include <stdio.h>
#include "room.h"

int main(void)
{
    room sent = {{1, 0, 1, 1}, 5, 6, 7};
    unsigned char bytes[64];
    XDR xdr;
    unsigned i;

    xdrmem_create(&xdr, (char *)bytes, sizeof bytes, XDR_ENCODE);
    if (!xdr_room(&xdr, &sent))
        return 1;
    for (i = 0; i < xdr_getpos(&xdr); i += 4)
        printf("%d ", (int)ntohl(*(unsigned *)(bytes + i)));
    return 0;
}
C
rpcgen -h -o room.h room.x

sent() { # what is sent, with some options for rpcgen, after "--" some for gcc
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    rm -f room_xdr.c
    rpcgen -c "${options[@]}" -o room_xdr.c room.x
    gcc -I/usr/include/tirpc "$@" send.c room_xdr.c -ltirpc -o send 2>said && ./send
    grep -o -m 1 "error: .*\|warning: .*" said || true
}

plain=$(sent --)
stdbool=$(sent -- -include stdbool.h)
without=$(sent -i 0 --)
printf 'as it is: %s\nwith stdbool.h: %s\nrpcgen -i 0: %s\n' "$plain" "$stdbool" "$without"
grep -q "unknown type name .*bool" <<<"$plain"
grep -q "^1 0 0 0 5 6 7 warning: .* incompatible pointer type" <<<"$stdbool"
test "$without" = "1 0 1 1 5 6 7 "
echo "as described"
