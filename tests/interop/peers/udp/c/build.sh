# The library tells its version only to pkg-config.
set -e
version=$(pkg-config --modversion libb2)
gcc -std=gnu11 -Wall -Wextra -Werror -O1 -DVERSION="\"$version\"" -o client client.c -lb2 -ljansson
