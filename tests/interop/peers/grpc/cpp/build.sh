# Makes the classes from the contract in the folder $1, and compiles all in one piece: so the long headers of
# gRPC are read once, and it takes half the time.
set -e
protoc -I"$1" --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" chat.proto
printf '#include "%s"\n' chat.pb.cc chat.grpc.pb.cc client.cc >all.cc
g++ -std=c++17 -Wall -Wextra -o client all.cc $(pkg-config --cflags --libs grpc++ protobuf)
