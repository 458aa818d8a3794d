# build.sh CHAT_X: rpcgen's C, compiled with the client. libtirpc tells its version only to pkg-config.
set -e
cp "$1" chat.x
rpcgen chat.x
version=$(pkg-config --modversion libtirpc)
flags=$(pkg-config --cflags libtirpc)
gcc -std=gnu11 -w -O1 $flags -c chat_clnt.c chat_xdr.c
gcc -std=gnu11 -Wall -Wextra -Werror -O1 $flags -DVERSION="\"$version\"" -o client client.c chat_clnt.o chat_xdr.o \
    $(pkg-config --libs libtirpc)
