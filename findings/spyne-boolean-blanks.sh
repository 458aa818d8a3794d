#!/usr/bin/env bash
# spyne 2.14.0 (PyPI; https://github.com/arskom/spyne), with lxml 6.1.3.
# Expected: a line end around an xsd:boolean means nothing, because XML Schema collapses blanks before it looks at the
# value (Part 2, 4.3.6); a document with it is valid, and indented XML has it.
# Seen: the schema's validator takes it, and then spyne compares the text as it stands: "true" with a blank beside
# it is False, without a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet spyne==2.14.0 lxml==6.1.3

cat >"$folder/try.py" <<'PYTHON'
import io
import warnings

warnings.simplefilter("ignore")
from lxml import etree
from spyne import Application, Boolean, Integer, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

REQUEST = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="urn:t"><s:Body>
<t:say><t:loud>{loud}</t:loud><t:times>{times}</t:times></t:say></s:Body></s:Envelope>"""


class Service(ServiceBase):
    @rpc(Boolean, Integer, _returns=Unicode)
    def say(ctx, loud, times):
        return f"{loud} {times}"


soap = Soap11(validator="lxml")
served = WsgiApplication(Application([Service], "urn:t", in_protocol=soap, out_protocol=Soap11()))


def said(loud, times):
    body = REQUEST.format(loud=loud, times=times).encode()
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "x"}
    environ |= {"SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO()}
    environ |= {"CONTENT_TYPE": "text/xml; charset=utf-8", "CONTENT_LENGTH": str(len(body))}
    environ["wsgi.input"] = io.BytesIO(body)
    answer = b"".join(served(environ, lambda status, headers, error=None: None))
    return "".join(etree.fromstring(answer).itertext()).strip()


seen = [said("true", "3"), said("\n  true\n", "\n  3\n"), said(" 1 ", "3")]
print(seen)
raise SystemExit(seen != ["True 3", "False 3", "False 3"])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
