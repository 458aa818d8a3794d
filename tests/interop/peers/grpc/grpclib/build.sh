# Makes the classes from the contract in the folder $2, with grpclib's plugin in ./packages; $1 is the interpreter.
set -e
PYTHONPATH=packages "$1" -m grpc_tools.protoc -I"$2" --python_out=. --grpclib_python_out=. \
    --plugin=protoc-gen-grpclib_python=packages/bin/protoc-gen-grpclib_python chat.proto
