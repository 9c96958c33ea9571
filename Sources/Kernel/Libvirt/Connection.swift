import CLibvirt
import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A connection to libvirt's QEMU driver, which runs inside this process (`qemu:///embed`).
///
/// This is a class because event callbacks and many tasks share the handle, which is thread-safe and freed with the
/// last reference. Every blocking call runs on a thread of its own.
public final class Connection: Sendable {
    /// libvirt's root directory of this lab.
    public let root: EmbedRoot
    private let handle: ConnectionHandle
    private let subscribers = Mutex<[Int: AsyncStream<DomainEvent>.Continuation]>([:])
    private let nextSubscriber = Atomic<Int>(0)

    private init(root: EmbedRoot, handle: ConnectionHandle) {
        self.root = root
        self.handle = handle
    }

    /// Prepares the root directory and opens the driver in it. A process can have only one connection, because
    /// libvirt's embedded driver cannot be opened twice with different roots.
    public static func open(root: EmbedRoot) async throws -> Connection {
        try await onOwnThread("libvirt open") {
            try root.prepare()
            // Warnings go to a file among the lab's artifacts, never to the terminal. libvirt reads this once, at
            // initialisation.
            setenv("LIBVIRT_LOG_OUTPUTS", "3:file:\(root.path)/libvirt.log", 0)
            // Even an embedded driver keeps some state per user, below $XDG_RUNTIME_DIR or else ~/.cache/libvirt.
            setenv("XDG_RUNTIME_DIR", root.userState, 1)
            try EventLoop.start()
            let uri = "qemu:///embed?root=\(root.path)"
            guard let pointer = virConnectOpen(uri) else { throw LibvirtError.last("virConnectOpen", uri) }
            let connection = Connection(root: root, handle: ConnectionHandle(pointer))
            try connection.subscribe("lifecycle") {
                clibvirt_register_lifecycle(pointer, onLifecycle, $0, releaseContext)
            }
            try connection.subscribe("reboot") { clibvirt_register_reboot(pointer, onReboot, $0, releaseContext) }
            try connection.subscribe("device removed") {
                clibvirt_register_device_removed(pointer, onDeviceRemoved, $0, releaseContext)
            }
            return connection
        }
    }

    /// Returns a stream of every domain's events from now on. There may be any number of streams. libvirt reports an
    /// event after it has happened, so `create` may return before `started` arrives.
    public func events() -> AsyncStream<DomainEvent> {
        let number = nextSubscriber.wrappingAdd(1, ordering: .relaxed).newValue
        let (stream, continuation) = AsyncStream<DomainEvent>.makeStream()
        subscribers.withLock { $0[number] = continuation }
        continuation.onTermination = { [weak self] _ in
            self?.subscribers.withLock { _ = $0.removeValue(forKey: number) }
        }
        return stream
    }

    /// Creates and starts a transient domain, which disappears when it stops. Calls may run in parallel.
    public func create(_ spec: DomainSpec, paused: Bool = false) async throws -> Domain {
        let document = try DomainXML.encode(spec)
        let flags = paused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        let domain = try await onOwnThread("libvirt create") { [handle] in
            guard let pointer = virDomainCreateXML(handle.pointer, document, flags) else {
                throw LibvirtError.last("virDomainCreateXML", spec.name)
            }
            return Domain(spec: spec, root: self.root, handle: DomainHandle(pointer, connection: handle))
        }
        root.publishCapabilities()
        return domain
    }

    /// Destroys every remaining domain, in parallel, at teardown. A domain that stopped by itself causes no error.
    public func destroyAll() async throws {
        let handles = try await onOwnThread("libvirt list") { [handle] in try handle.domains() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for domain in handles {
                group.addTask { try await onOwnThread("libvirt destroy") { try domain.destroy() } }
            }
            try await group.waitForAll()
        }
    }

    /// Ends every subscriber's stream. The driver itself ends with the process.
    public func finishEvents() {
        let all = subscribers.withLock { table in
            defer { table = [:] }
            return Array(table.values)
        }
        all.forEach { $0.finish() }
    }

    /// Registers one kind of event; libvirt keeps the context and releases it with the registration.
    private func subscribe(_ kind: String, _ register: (UnsafeMutableRawPointer) -> Int32) throws(LibvirtError) {
        let context = Unmanaged.passRetained(WeakConnection(self))
        guard register(context.toOpaque()) >= 0 else {
            let failure = LibvirtError.last("virConnectDomainEventRegisterAny", kind)
            context.release()
            throw failure
        }
    }

    fileprivate func deliver(_ event: DomainEvent) {
        let all = subscribers.withLock { Array($0.values) }
        all.forEach { $0.yield(event) }
    }
}

/// Holds the connection weakly for libvirt: a strong reference would keep the connection from ever closing.
private final class WeakConnection: Sendable {
    private let connection: Mutex<Weak>

    private struct Weak {
        weak var value: Connection?
    }

    init(_ connection: Connection) { self.connection = Mutex(Weak(value: connection)) }

    var value: Connection? { connection.withLock { $0.value } }
}

/// libvirt calls this on the event loop's thread. It is at file scope because isolated closures trap there.
private func onLifecycle(
    _: virConnectPtr?, domain: virDomainPtr?, event: Int32, detail: Int32, context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context, let domain, let name = virDomainGetName(domain) else { return 0 }
    let connection = Unmanaged<WeakConnection>.fromOpaque(context).takeUnretainedValue().value
    connection?.deliver(DomainEvent(domain: String(cString: name), event: event, detail: detail))
    return 0
}

private func onReboot(_: virConnectPtr?, domain: virDomainPtr?, context: UnsafeMutableRawPointer?) {
    guard let context, let domain, let name = virDomainGetName(domain) else { return }
    let connection = Unmanaged<WeakConnection>.fromOpaque(context).takeUnretainedValue().value
    connection?.deliver(DomainEvent(domain: String(cString: name), kind: .rebooted))
}

private func onDeviceRemoved(
    _: virConnectPtr?, domain: virDomainPtr?, alias: UnsafePointer<CChar>?, context: UnsafeMutableRawPointer?
) {
    guard let context, let domain, let alias, let name = virDomainGetName(domain) else { return }
    let connection = Unmanaged<WeakConnection>.fromOpaque(context).takeUnretainedValue().value
    connection?.deliver(DomainEvent(domain: String(cString: name), kind: .deviceRemoved(String(cString: alias))))
}

private func releaseContext(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<WeakConnection>.fromOpaque(context).release()
}
