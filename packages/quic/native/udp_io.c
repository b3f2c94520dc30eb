/*
 * UDP for Linux through Node-API: one system call sends up to 64 equal packets (UDP_SEGMENT), one takes in a batch of
 * datagrams that the kernel may have joined (UDP_GRO). Socket addresses cross the border as the bytes of a sockaddr_in6
 * or sockaddr_in, so that nothing is parsed per packet.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

#define SLOTS 32
#define MAX_SEGMENTS 64
#define ADDRESS_BYTES ((size_t)sizeof(struct sockaddr_in6))
/* Batches taken in before other work of the event loop gets its turn. */
#define BATCHES_PER_TURN 2
#define INFO_FIELDS 3

enum { SENT = 0, BLOCKED = 1, LOST = 2 };

typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  unsigned char bytes[sizeof(struct sockaddr_in6)];
} Address;

typedef struct {
  napi_env env;
  int fd;
  int has_gso;
  int is_closing;
  int is_closed;
  int is_finalized;
  uv_poll_t poll;
  napi_ref on_batch;
  napi_ref keep[3];
  napi_async_cleanup_hook_handle cleanup;
  napi_async_context context;
  unsigned char *slab;
  size_t slot_bytes;
  int32_t *info;
  unsigned char *senders;
  struct mmsghdr messages[SLOTS];
  struct iovec vectors[SLOTS];
  Address names[SLOTS];
  char controls[SLOTS][CMSG_SPACE(sizeof(int))];
  Address last_sender;
} Socket;

/* --- Node-API in short */

static napi_value throw_errno(napi_env env, const char *what, int number) {
  napi_value message, code, error;
  napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &message);
  napi_create_string_utf8(env, uv_err_name(-number), NAPI_AUTO_LENGTH, &code);
  napi_create_error(env, code, message, &error);
  napi_throw(env, error);
  return NULL;
}

static napi_value throw_type(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

static int read_int(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

static int read_bytes(napi_env env, napi_value value, unsigned char **data, size_t *length) {
  napi_typedarray_type type;
  napi_value buffer;
  size_t offset;
  return napi_get_typedarray_info(env, value, &type, length, (void **)data, &buffer, &offset) == napi_ok;
}

static Socket *read_socket(napi_env env, napi_value value) {
  void *pointer = NULL;
  napi_get_value_external(env, value, &pointer);
  return (Socket *)pointer;
}

/* --- addresses */

static socklen_t address_length(const Address *address) {
  return address->any.sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* An IP literal, with a zone for link-local IPv6; an IPv4 one is mapped for an IPv6 socket. */
static int parse_address(const char *host, int port, int family, Address *out) {
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
  char *zone;
  memset(out, 0, sizeof(*out));
  if (strlen(host) >= sizeof(text)) return 0;
  strcpy(text, host);
  if (family == 4) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
  }
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons((uint16_t)port);
  zone = strchr(text, '%');
  if (zone != NULL) {
    *zone = '\0';
    out->v6.sin6_scope_id = if_nametoindex(zone + 1);
    if (out->v6.sin6_scope_id == 0) out->v6.sin6_scope_id = (uint32_t)strtoul(zone + 1, NULL, 10);
  }
  if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) return 1;
  memset(out->v6.sin6_addr.s6_addr, 0, 10);
  memset(out->v6.sin6_addr.s6_addr + 10, 0xff, 2);
  return inet_pton(AF_INET, text, out->v6.sin6_addr.s6_addr + 12) == 1;
}

/* packAddress(host, port, family) → the bytes that `send` takes */
static napi_value pack_address(napi_env env, napi_callback_info info) {
  size_t count = 3, length = 0;
  napi_value args[3], result;
  char host[128];
  Address address;
  void *data;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  napi_get_value_string_utf8(env, args[0], host, sizeof(host), &length);
  if (!parse_address(host, read_int(env, args[1]), read_int(env, args[2]), &address)) {
    return throw_type(env, "not an IP address of this socket's family");
  }
  napi_create_buffer_copy(env, sizeof(address), &address, &data, &result);
  return result;
}

static napi_value make_host(napi_env env, const Address *address) {
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2] = "";
  char zone[IF_NAMESIZE];
  napi_value result;
  if (address->any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text));
  } else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
    inet_ntop(AF_INET, address->v6.sin6_addr.s6_addr + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text));
    if (address->v6.sin6_scope_id != 0 && if_indextoname(address->v6.sin6_scope_id, zone) != NULL) {
      strcat(text, "%");
      strcat(text, zone);
    }
  }
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* unpackHost(bytes, offset) → IP literal; the port is bytes 2 and 3, big-endian */
static napi_value unpack_host(napi_env env, napi_callback_info info) {
  size_t count = 2, length, offset;
  napi_value args[2];
  unsigned char *data;
  Address address;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  offset = (size_t)read_int(env, args[1]);
  if (!read_bytes(env, args[0], &data, &length) || offset + sizeof(address) > length) {
    return throw_type(env, "no address there");
  }
  memcpy(&address, data + offset, sizeof(address));
  return make_host(env, &address);
}

/* --- receiving */

/* The size at which the kernel joined what it hands over; 0 when it is one datagram. */
static int segment_size(struct msghdr *header) {
  struct cmsghdr *control;
  for (control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
    if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(control), sizeof(size));
      return size;
    }
  }
  return 0;
}

static int receive_batch(Socket *self) {
  int i, count;
  for (i = 0; i < SLOTS; i++) {
    struct msghdr *header = &self->messages[i].msg_hdr;
    self->vectors[i].iov_base = self->slab + (size_t)i * self->slot_bytes;
    self->vectors[i].iov_len = self->slot_bytes;
    header->msg_name = &self->names[i];
    header->msg_namelen = sizeof(self->names[i]);
    header->msg_iov = &self->vectors[i];
    header->msg_iovlen = 1;
    header->msg_control = self->controls[i];
    header->msg_controllen = sizeof(self->controls[i]);
    header->msg_flags = 0;
  }
  count = recvmmsg(self->fd, self->messages, SLOTS, MSG_DONTWAIT, NULL);
  for (i = 0; i < count; i++) {
    struct msghdr *header = &self->messages[i].msg_hdr;
    int32_t *fields = self->info + i * INFO_FIELDS;
    size_t name_length = header->msg_namelen < ADDRESS_BYTES ? header->msg_namelen : ADDRESS_BYTES;
    memset(self->names[i].bytes + name_length, 0, ADDRESS_BYTES - name_length);
    if (self->names[i].any.sa_family == AF_INET) memset(self->names[i].v4.sin_zero, 0, 8);
    fields[0] = (int32_t)self->messages[i].msg_len;
    fields[1] = segment_size(header);
    fields[2] = memcmp(&self->names[i], &self->last_sender, ADDRESS_BYTES) != 0;
    if (fields[2] != 0) {
      self->last_sender = self->names[i];
      memcpy(self->senders + (size_t)i * ADDRESS_BYTES, &self->names[i], ADDRESS_BYTES);
    }
  }
  return count;
}

static void handle_readable(uv_poll_t *poll, int status, int events) {
  Socket *self = (Socket *)poll->data;
  napi_handle_scope scope;
  int batch;
  (void)events;
  if (status < 0 || self->is_closing) return;
  napi_open_handle_scope(self->env, &scope);
  for (batch = 0; batch < BATCHES_PER_TURN && !self->is_closing; batch++) {
    int count = receive_batch(self);
    napi_value receiver, callback, argument, ignored;
    if (count <= 0) break;
    napi_get_global(self->env, &receiver);
    napi_get_reference_value(self->env, self->on_batch, &callback);
    napi_create_int32(self->env, count, &argument);
    if (napi_make_callback(self->env, self->context, receiver, callback, 1, &argument, &ignored) != napi_ok) {
      napi_value error;
      bool is_pending = false;
      napi_is_exception_pending(self->env, &is_pending);
      if (is_pending) {
        napi_get_and_clear_last_exception(self->env, &error);
        napi_fatal_exception(self->env, error);
      }
      break;
    }
    if (count < SLOTS) break;
  }
  napi_close_handle_scope(self->env, scope);
}

/* --- the life of a socket */

static void free_when_unused(Socket *self) {
  if (self->is_closed && self->is_finalized) free(self);
}

static void finalize_socket(napi_env env, void *data, void *hint) {
  Socket *self = (Socket *)data;
  (void)env;
  (void)hint;
  self->is_finalized = 1;
  free_when_unused(self);
}

static void handle_closed(uv_handle_t *handle) {
  Socket *self = (Socket *)handle->data;
  int i;
  napi_handle_scope scope;
  napi_open_handle_scope(self->env, &scope);
  if (self->on_batch != NULL) napi_delete_reference(self->env, self->on_batch);
  for (i = 0; i < 3; i++) {
    if (self->keep[i] != NULL) napi_delete_reference(self->env, self->keep[i]);
  }
  if (self->context != NULL) napi_async_destroy(self->env, self->context);
  napi_close_handle_scope(self->env, scope);
  if (self->cleanup != NULL) napi_remove_async_cleanup_hook(self->cleanup);
  self->is_closed = 1;
  free_when_unused(self);
}

static void begin_close(Socket *self) {
  if (self->is_closing) return;
  self->is_closing = 1;
  uv_poll_stop(&self->poll);
  uv_close((uv_handle_t *)&self->poll, handle_closed);
  /* libuv has let go of it; the address is free at once. */
  close(self->fd);
}

/* The environment goes away (a worker ends) with the socket open. */
static void handle_cleanup(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  begin_close((Socket *)data);
}

static void set_option(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

static void configure(int fd, int family, int receive_bytes, int send_bytes) {
  set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_bytes);
  set_option(fd, SOL_SOCKET, SO_SNDBUF, send_bytes);
  /* Above the system's limit where we may; otherwise the limit stands. */
  set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive_bytes);
  set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, send_bytes);
  set_option(fd, SOL_UDP, UDP_GRO, 1);
  /* QUIC finds the size of the path by itself: never fragment, and do not remember what ICMP says. */
  set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (family == 6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  }
}

/* open(host, port, family, receiveBufferBytes, sendBufferBytes) → socket; throws with a system code */
static napi_value open_socket(napi_env env, napi_callback_info info) {
  size_t count = 5, length = 0;
  napi_value args[5], result, name;
  char host[128];
  int family, fd, value = 0;
  Address address;
  Socket *self;
  uv_loop_t *loop;
  socklen_t value_length = sizeof(value);
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  napi_get_value_string_utf8(env, args[0], host, sizeof(host), &length);
  family = read_int(env, args[2]);
  if (!parse_address(host, read_int(env, args[1]), family, &address)) {
    return throw_errno(env, "not an IP address", EINVAL);
  }
  fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_errno(env, "no socket", errno);
  configure(fd, family, read_int(env, args[3]), read_int(env, args[4]));
  if (bind(fd, &address.any, address_length(&address)) != 0) {
    int number = errno;
    close(fd);
    return throw_errno(env, "the address cannot be bound", number);
  }
  self = calloc(1, sizeof(Socket));
  if (self == NULL) {
    close(fd);
    return throw_errno(env, "no memory", ENOMEM);
  }
  self->env = env;
  self->fd = fd;
  self->has_gso = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &value_length) == 0;
  napi_get_uv_event_loop(env, &loop);
  uv_poll_init(loop, &self->poll, fd);
  self->poll.data = self;
  napi_create_string_utf8(env, "landropic:udp", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &self->context);
  napi_add_async_cleanup_hook(env, handle_cleanup, self, &self->cleanup);
  napi_create_external(env, self, finalize_socket, NULL, &result);
  return result;
}

/* slots() → [number of slots, int32 fields per slot, bytes per address] */
static napi_value layout(napi_env env, napi_callback_info info) {
  const int values[3] = {SLOTS, INFO_FIELDS, (int)ADDRESS_BYTES};
  napi_value result, element;
  uint32_t i;
  (void)info;
  napi_create_array_with_length(env, 3, &result);
  for (i = 0; i < 3; i++) {
    napi_create_int32(env, values[i], &element);
    napi_set_element(env, result, i, element);
  }
  return result;
}

/* start(socket, slab, info: Int32Array, senders, onBatch(count)): receives into the slab, slot by slot */
static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 5, slab_length, info_length, senders_length;
  napi_value args[5];
  Socket *self;
  unsigned char *fields;
  int i;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  self = read_socket(env, args[0]);
  if (self == NULL || self->is_closing || self->on_batch != NULL) return throw_type(env, "not a socket to start");
  if (!read_bytes(env, args[1], &self->slab, &slab_length) || !read_bytes(env, args[2], &fields, &info_length) ||
      !read_bytes(env, args[3], &self->senders, &senders_length) || info_length < SLOTS * INFO_FIELDS ||
      senders_length < SLOTS * ADDRESS_BYTES) {
    return throw_type(env, "buffers of the wrong size");
  }
  self->slot_bytes = slab_length / SLOTS;
  self->info = (int32_t *)(void *)fields;
  for (i = 0; i < 3; i++) napi_create_reference(env, args[i + 1], 1, &self->keep[i]);
  napi_create_reference(env, args[4], 1, &self->on_batch);
  uv_poll_start(&self->poll, UV_READABLE, handle_readable);
  return NULL;
}

/* --- sending */

static int result_of(ssize_t sent) {
  if (sent >= 0) return SENT;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? BLOCKED : LOST;
}

static int send_joined(Socket *self, struct msghdr *header, int segment) {
  char control[CMSG_SPACE(sizeof(uint16_t))];
  struct cmsghdr *message;
  uint16_t size = (uint16_t)segment;
  memset(control, 0, sizeof(control));
  header->msg_control = control;
  header->msg_controllen = sizeof(control);
  message = CMSG_FIRSTHDR(header);
  message->cmsg_level = SOL_UDP;
  message->cmsg_type = UDP_SEGMENT;
  message->cmsg_len = CMSG_LEN(sizeof(size));
  memcpy(CMSG_DATA(message), &size, sizeof(size));
  return result_of(sendmsg(self->fd, header, MSG_DONTWAIT));
}

/* Packet by packet, in one call. What the kernel does not take is lost: its first packets are gone already. */
static int send_apart(Socket *self, Address *to, unsigned char *data, size_t length, size_t segment) {
  struct mmsghdr messages[MAX_SEGMENTS];
  struct iovec vectors[MAX_SEGMENTS];
  unsigned int count = 0;
  size_t at;
  memset(messages, 0, sizeof(messages));
  for (at = 0; at < length && count < MAX_SEGMENTS; at += segment, count++) {
    vectors[count].iov_base = data + at;
    vectors[count].iov_len = length - at < segment ? length - at : segment;
    messages[count].msg_hdr.msg_name = to;
    messages[count].msg_hdr.msg_namelen = address_length(to);
    messages[count].msg_hdr.msg_iov = &vectors[count];
    messages[count].msg_hdr.msg_iovlen = 1;
  }
  return result_of(sendmmsg(self->fd, messages, count, MSG_DONTWAIT));
}

/* send(socket, slab, offset, length, segmentBytes, address) → 0 sent, 1 the kernel takes no more, 2 lost */
static napi_value send_packets(napi_env env, napi_callback_info info) {
  size_t count = 6, slab_length, address_bytes, offset, length, segment;
  napi_value args[6], result;
  unsigned char *slab, *packed;
  Socket *self;
  Address to;
  int outcome = LOST;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  self = read_socket(env, args[0]);
  offset = (size_t)read_int(env, args[2]);
  length = (size_t)read_int(env, args[3]);
  segment = (size_t)read_int(env, args[4]);
  if (self == NULL || !read_bytes(env, args[1], &slab, &slab_length) ||
      !read_bytes(env, args[5], &packed, &address_bytes) || address_bytes != sizeof(to) || segment == 0 ||
      offset + length > slab_length) {
    return throw_type(env, "not a batch to send");
  }
  memcpy(&to, packed, sizeof(to));
  if (!self->is_closing) {
    struct iovec vector = {slab + offset, length};
    struct msghdr header;
    memset(&header, 0, sizeof(header));
    header.msg_name = &to;
    header.msg_namelen = address_length(&to);
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (length <= segment) {
      outcome = result_of(sendmsg(self->fd, &header, MSG_DONTWAIT));
    } else {
      if (self->has_gso) outcome = send_joined(self, &header, (int)segment);
      /* A device that cannot compute checksums refuses joined packets with EIO; an odd path with EINVAL. */
      if (!self->has_gso || (outcome == LOST && (errno == EIO || errno == EINVAL))) {
        if (self->has_gso && errno == EIO) self->has_gso = 0;
        outcome = send_apart(self, &to, slab + offset, length, segment);
      }
    }
  }
  napi_create_int32(env, outcome, &result);
  return result;
}

/* localAddress(socket) → its packed address */
static napi_value local_address(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1], result;
  Address address;
  socklen_t length = sizeof(address);
  void *data;
  Socket *self;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  self = read_socket(env, args[0]);
  memset(&address, 0, sizeof(address));
  if (self == NULL || getsockname(self->fd, &address.any, &length) != 0) return throw_errno(env, "no address", errno);
  napi_create_buffer_copy(env, sizeof(address), &address, &data, &result);
  return result;
}

static napi_value close_socket(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1];
  Socket *self;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  self = read_socket(env, args[0]);
  if (self != NULL) begin_close(self);
  return NULL;
}

static napi_value has_gso(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1], result;
  Socket *self;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  self = read_socket(env, args[0]);
  napi_get_boolean(env, self != NULL && self->has_gso, &result);
  return result;
}

static napi_value init(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"layout", NULL, layout, NULL, NULL, NULL, napi_enumerable, NULL},
      {"packAddress", NULL, pack_address, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unpackHost", NULL, unpack_host, NULL, NULL, NULL, napi_enumerable, NULL},
      {"open", NULL, open_socket, NULL, NULL, NULL, napi_enumerable, NULL},
      {"start", NULL, start, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, send_packets, NULL, NULL, NULL, napi_enumerable, NULL},
      {"localAddress", NULL, local_address, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, close_socket, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hasSegmentation", NULL, has_gso, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
