# Makes the functions from the WSDL of SOAP 1.1: with the other one they would all send SOAP 1.2.
set -e
share=/usr/share/gsoap
wsdl2h -c -o chat.h "$1" >wsdl2h.log 2>&1 || { cat wsdl2h.log >&2; exit 1; }
sed -i '1i #import "wsse.h"' chat.h
soapcpp2 -c -C -CL -w -x -I$share/import:$share chat.h >/dev/null 2>&1
plugins="$share/plugin/wsseapi.c $share/plugin/smdevp.c $share/plugin/mecevp.c $share/plugin/threads.c $share/custom/struct_timeval.c"
gcc -std=gnu11 -w -O0 -I. -I$share $(pkg-config --cflags gsoapssl) -o client client.c soapC.c soapClient.c $plugins \
    $(pkg-config --libs gsoapssl) -lcrypto
