export {
  onConnection,
  type RequestOptions,
  RpcClient,
  type RpcClientDependencies,
  type RpcClientOptions,
  type RunOnConnection,
} from './rpc-client.js';
export { RpcError, type RpcErrorCode, RpcFailure } from './rpc-error.js';
export {
  type RpcHandler,
  type RpcRequest,
  RpcServer,
  type RpcServerDependencies,
  type RpcServerOptions,
  type RpcServerStats,
  type ServeOptions,
} from './rpc-server.js';
