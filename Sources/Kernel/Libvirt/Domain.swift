import CLibvirt
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A running virtual machine.
///
/// This is a class because faults, teardown and event handling use the same machine from different tasks. It is freed
/// with the last reference, which does **not** stop the machine.
public final class Domain: Sendable {
    /// The description from which it was created.
    public let spec: DomainSpec
    private let root: EmbedRoot
    private let handle: DomainHandle

    /// The domain's name.
    public var name: String { spec.name }

    init(spec: DomainSpec, root: EmbedRoot, handle: DomainHandle) {
        self.spec = spec
        self.root = root
        self.handle = handle
    }

    /// libvirt's present view of the machine.
    public struct Info: Sendable, Hashable {
        /// `virDomainState`.
        public enum State: Int32, Sendable, Hashable {
            case noState = 0, running, blocked, paused, shutdown, shutOff, crashed, suspendedByGuest
        }
        public var state: State
        /// Guest memory in KiB.
        public var memoryKiB: UInt64
        /// CPU time used, in nanoseconds.
        public var cpuNanoseconds: UInt64
    }

    /// Returns state, memory and CPU time, within microseconds to milliseconds.
    public func info() async throws -> Info {
        try await call("virDomainGetInfo") { pointer in
            var info = virDomainInfo()
            guard virDomainGetInfo(pointer, &info) == 0 else { return nil }
            return Info(
                state: Info.State(rawValue: Int32(info.state)) ?? .noState, memoryKiB: UInt64(info.memory),
                cpuNanoseconds: info.cpuTime)
        }
    }

    /// Stops the virtual CPUs, within 2–3 ms. On the network, the machine falls silent.
    public func suspend() async throws {
        try await call("virDomainSuspend") { virDomainSuspend($0) == 0 ? () : nil }
    }

    /// Lets a suspended machine continue.
    public func resume() async throws {
        try await call("virDomainResume") { virDomainResume($0) == 0 ? () : nil }
    }

    /// Presses the reset button. An event `rebooted` follows. With `RebootAction.destroy`, QEMU ends instead.
    public func reset() async throws {
        try await call("virDomainReset") { virDomainReset($0, 0) == 0 ? () : nil }
    }

    /// Ends QEMU at once, like a power failure. It is no error if it has ended already.
    public func destroy() async throws {
        try await onOwnThread("libvirt destroy") { [handle] in try handle.destroy() }
    }

    /// Plugs or unplugs the cable of the card with this MAC. The guest notices a new link within milliseconds, and a
    /// lost one within 1 s.
    public func setLink(mac: String, up: Bool) async throws {
        guard var interface = spec.interfaces.first(where: { $0.mac == mac }) else {
            throw LibvirtError(
                code: Int32(VIR_ERR_INVALID_ARG.rawValue), call: "virDomainUpdateDeviceFlags", subject: name,
                message: "no card with MAC address \(mac)")
        }
        interface.linkUp = up
        let document = try DomainXML.Interface.encode(interface)
        try await call("virDomainUpdateDeviceFlags") {
            virDomainUpdateDeviceFlags($0, document, VIR_DOMAIN_AFFECT_LIVE.rawValue) == 0 ? () : nil
        }
    }

    /// Plugs a card in. This needs a free root port (`DomainSpec.hotplugSlots`). The guest finds the card some 20 ms
    /// later.
    public func attach(_ interface: DomainSpec.Interface) async throws {
        let document = try DomainXML.Interface.encode(interface)
        try await call("virDomainAttachDeviceFlags") {
            virDomainAttachDeviceFlags($0, document, VIR_DOMAIN_AFFECT_LIVE.rawValue) == 0 ? () : nil
        }
    }

    /// Asks the guest to release the card with this MAC. If the guest does not answer, this may return early and
    /// without an error. An event `deviceRemoved` tells when the card is gone, and so does `hasCard`.
    public func detach(_ interface: DomainSpec.Interface) async throws {
        let document = try DomainXML.Interface.encode(interface)
        try await call("virDomainDetachDeviceFlags") {
            virDomainDetachDeviceFlags($0, document, VIR_DOMAIN_AFFECT_LIVE.rawValue) == 0 ? () : nil
        }
    }

    /// Says whether a card with this MAC is plugged in.
    public func hasCard(mac: String) async throws -> Bool {
        try await call("virDomainGetXMLDesc") { pointer in
            guard let text = virDomainGetXMLDesc(pointer, 0) else { return nil }
            defer { free(text) }
            return String(cString: text).contains("<mac address='\(mac)'/>")
        }
    }

    /// QEMU's process number in this PID namespace; `nil` once it has ended.
    public func processIdentifier() -> Int32? {
        root.processIdentifier(ofDomain: name)
    }

    /// Runs a blocking call on a thread of its own. `nil` means a failure, whose error is the thread's last one.
    private func call<Value: Sendable>(
        _ call: String, _ body: @escaping @Sendable (virDomainPtr) -> Value?
    ) async throws -> Value {
        try await onOwnThread("libvirt call") { [handle] in
            guard let value = body(handle.pointer) else { throw LibvirtError.last(call, handle.name) }
            return value
        }
    }
}
