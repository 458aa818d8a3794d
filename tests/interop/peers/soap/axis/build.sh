# Makes the classes from the WSDL of SOAP 1.1: at the faults of SOAP 1.2 WSDL2Java fails.
set -e
java -cp "$2" org.apache.axis.wsdl.WSDL2Java -o . -p chat "$1" >wsdl2java.log 2>&1 || { cat wsdl2java.log >&2; exit 1; }
javac -nowarn -encoding UTF-8 -cp "$2:." -d classes Client.java chat/*.java chat/holders/*.java 2>javac.log || { cat javac.log >&2; exit 1; }
