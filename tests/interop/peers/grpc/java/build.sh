# Makes the classes from the contract in the folder $1, and compiles all against Debian's jars.
set -e
jars=classes
for name in grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub \
    guava netty-buffer netty-codec netty-codec-http netty-codec-http2 netty-codec-socks netty-common netty-handler \
    netty-handler-proxy netty-resolver netty-transport netty-transport-native-unix-common perfmark-api protobuf; do
    jars=$jars:/usr/share/java/$name.jar
done
mkdir made
protoc -I"$1" --java_out=made --grpc_out=made --plugin=protoc-gen-grpc="$(command -v grpc_java_plugin)" chat.proto
# The annotation that the plugin writes is in no JDK any more, and nothing reads it.
sed -i '/^@javax.annotation.Generated(/,/)$/d' made/chat/v1/ChatServiceGrpc.java
javac -encoding UTF-8 -nowarn -cp "$jars" -d classes Client.java $(find made -name '*.java')
echo "-cp $jars" >run.args
