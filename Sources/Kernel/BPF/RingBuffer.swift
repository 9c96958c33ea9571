import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The consumer of a `BPF_MAP_TYPE_RINGBUF` map. A ring buffer has only one consumer: a second one would take records
/// from the first.
public struct RingBuffer: ~Copyable, @unchecked Sendable {
    // This is unchecked because libbpf's handle is bound to no thread, and only one thread at a time can use a value
    // that cannot be copied.
    private let handle: OpaquePointer
    private let sink: Unmanaged<RecordSink>

    /// Maps the buffer of an open map. The map's descriptor may be closed afterwards.
    public init(mapDescriptor: Int32) throws(SystemError) {
        let sink = Unmanaged.passRetained(RecordSink())
        guard let handle = ring_buffer__new(mapDescriptor, receiveRecord, sink.toOpaque(), nil) else {
            let code = errno
            sink.release()
            throw SystemError(code: code, call: "ring_buffer__new")
        }
        self.handle = handle
        self.sink = sink
    }

    /// Opens a pinned buffer.
    public init(pinnedAt path: String) throws(SystemError) {
        let opened = bpf_obj_get(path)
        guard opened >= 0 else { throw SystemError(code: -opened, call: "bpf_obj_get", subject: path) }
        let file = FileDescriptor(owning: opened)
        try self.init(mapDescriptor: file.rawValue)
    }

    deinit {
        ring_buffer__free(handle)
        sink.release()
    }

    /// An epoll descriptor that is readable while records are waiting.
    public var pollDescriptor: Int32 { ring_buffer__epoll_fd(handle) }

    /// Passes the waiting records to `body`, without blocking. The bytes are valid only during the call.
    ///
    /// - Returns: The number of records.
    @discardableResult
    public mutating func consume(_ body: (UnsafeRawBufferPointer) -> Void) throws(SystemError) -> Int {
        let result = withoutActuallyEscaping(body) { body in
            sink.takeUnretainedValue().body = body
            defer { sink.takeUnretainedValue().body = nil }
            return ring_buffer__consume(handle)
        }
        guard result >= 0 else { throw SystemError(code: -result, call: "ring_buffer__consume") }
        return Int(result)
    }
}

/// Holds the callback of the running `consume` call.
private final class RecordSink {
    var body: ((UnsafeRawBufferPointer) -> Void)?
}

/// This is at file scope because C calls it, on the thread that called `consume`.
private func receiveRecord(context: UnsafeMutableRawPointer?, data: UnsafeMutableRawPointer?, length: Int) -> Int32 {
    guard let context, let data else { return 0 }
    let sink = Unmanaged<RecordSink>.fromOpaque(context).takeUnretainedValue()
    sink.body?(UnsafeRawBufferPointer(start: data, count: length))
    return 0
}
