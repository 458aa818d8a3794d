# Makes the classes from the contract in the folder $1, and compiles all in one piece.
set -e
protoc -I"$1" --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" chat.proto
g++ -std=c++17 -Wall -Wextra -o client client.cc chat.pb.cc chat.grpc.pb.cc $(pkg-config --cflags --libs grpc++ protobuf)
