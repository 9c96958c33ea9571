import CLibnl
public import LinuxKernel

/// A route netlink socket: links, addresses, routes, neighbours and queueing disciplines of one network namespace.
///
/// The socket belongs to the network namespace that the calling thread was in when the socket was opened, wherever the
/// thread goes later (netlink(7)). Every call waits for the kernel's acknowledgement. Two threads must not use a socket
/// at the same time, but it may be handed over.
///
/// Errors are `SystemError` with the kernel's own `errno`, for example `EEXIST`, `ENODEV`, `ESRCH`, `EPERM`.
public struct NetlinkSocket: ~Copyable {
    let handle: OpaquePointer
    /// The `errno` of the last error message, which `recordError` writes. libnl's own codes do not distinguish several
    /// of them.
    private let kernelError: UnsafeMutablePointer<Int32>

    /// Opens a socket in the calling thread's network namespace.
    public init() throws(SystemError) {
        let opened = try connectedSocket()
        let slot = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        slot.initialize(to: 0)
        nl_socket_modify_err_cb(opened, NL_CB_CUSTOM, recordError, slot)
        handle = opened
        kernelError = slot
    }

    deinit {
        nl_socket_free(handle)
        kernelError.deallocate()
    }

    /// Runs a libnl call that returns a negative NLE code on failure.
    func request(_ call: String, _ subject: String, _ body: () -> Int32) throws(SystemError) {
        kernelError.pointee = 0
        let status = body()
        guard status < 0 else { return }
        let code = kernelError.pointee != 0 ? kernelError.pointee : errnoCode(ofNetlink: status)
        throw SystemError(code: code, call: call, subject: subject)
    }

    /// Dumps a kernel table and turns each entry into a value. Entries that give nil are left out.
    func dump<Value>(
        _ call: String, _ fill: (UnsafeMutablePointer<OpaquePointer?>) -> Int32,
        _ value: (OpaquePointer) -> Value?
    ) throws(SystemError) -> [Value] {
        // When a table changes while it is being read, the kernel marks the dump as interrupted (NLM_F_DUMP_INTR). What
        // was read then never existed as a whole, so it is read again.
        var attempts = 0
        while true {
            attempts += 1
            var cache: OpaquePointer?
            do {
                try request(call, "") { fill(&cache) }
            } catch  where error.code == EINTR && attempts < 16 {
                continue
            }
            defer { nl_cache_free(cache) }
            var values: [Value] = []
            var entry = nl_cache_get_first(cache)
            while let object = entry {
                if let value = value(object) { values.append(value) }
                entry = nl_cache_get_next(object)
            }
            return values
        }
    }
}

private func connectedSocket() throws(SystemError) -> OpaquePointer {
    guard let handle = nl_socket_alloc() else { throw SystemError(code: ENOMEM, call: "nl_socket_alloc") }
    let status = nl_connect(handle, NETLINK_ROUTE)
    guard status >= 0 else {
        nl_socket_free(handle)
        throw SystemError(code: errnoCode(ofNetlink: status), call: "nl_connect", subject: "NETLINK_ROUTE")
    }
    return handle
}

/// A libnl object that is released with its owner.
struct NetlinkObject: ~Copyable {
    let pointer: OpaquePointer

    init(_ call: String, _ pointer: OpaquePointer?) throws(SystemError) {
        guard let pointer else { throw SystemError(code: ENOMEM, call: call) }
        self.pointer = pointer
    }

    deinit { nl_object_put(pointer) }
}

private func recordError(
    _ sender: UnsafeMutablePointer<sockaddr_nl>?, _ message: UnsafeMutablePointer<nlmsgerr>?,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let message, let context else { return -NLE_FAILURE }
    let code = abs(message.pointee.error)
    context.assumingMemoryBound(to: Int32.self).pointee = code
    return -nl_syserr2nlerr(code)
}

/// The `errno` for one of libnl's codes, for failures that did not come as a message of the kernel.
private func errnoCode(ofNetlink status: Int32) -> Int32 {
    switch abs(status) {
    case NLE_INTR, NLE_DUMP_INTR: EINTR
    case NLE_BAD_SOCK: EBADF
    case NLE_AGAIN: EAGAIN
    case NLE_NOMEM: ENOMEM
    case NLE_EXIST: EEXIST
    case NLE_RANGE: ERANGE
    case NLE_MSGSIZE, NLE_MSG_OVERFLOW, NLE_MSG_TRUNC: EMSGSIZE
    case NLE_OPNOTSUPP, NLE_MSGTYPE_NOSUPPORT: EOPNOTSUPP
    case NLE_AF_NOSUPPORT, NLE_AF_MISMATCH: EAFNOSUPPORT
    case NLE_OBJ_NOTFOUND: ENOENT
    case NLE_NODEV: ENODEV
    case NLE_BUSY: EBUSY
    case NLE_NOACCESS: EACCES
    case NLE_PERM: EPERM
    case NLE_PROTO_MISMATCH: EPROTONOSUPPORT
    default: EINVAL
    }
}
