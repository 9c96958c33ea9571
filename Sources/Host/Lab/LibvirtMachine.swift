import Foundation
import Libvirt
import LinuxKernel
import Synchronization

/// Runs nodes as domains of libvirt's embedded driver, which belongs to the lab.
public final class LibvirtHypervisor: Sendable {
    public struct Boot: Sendable {
        public var kernelPath: String
        public var initrdPath: String
        /// `kvm` or `tcg`
        public var accelerator: String
        /// Further kernel parameters.
        public var parameters: [String]
        /// The path of the read-only userland disk; nil for a lab that needs none.
        public var userlandPath: String?
        /// The path of the read-only disk with a kubelet, which is the second; nil for a lab that needs none.
        public var kubeletDiskPath: String?
        public init(
            kernelPath: String, initrdPath: String, accelerator: String, parameters: [String],
            userlandPath: String? = nil, kubeletDiskPath: String? = nil
        ) {
            self.kernelPath = kernelPath
            self.initrdPath = initrdPath
            self.accelerator = accelerator
            self.parameters = parameters
            self.userlandPath = userlandPath
            self.kubeletDiskPath = kubeletDiskPath
        }
    }

    private let connection: Connection
    private let boot: Boot
    private let directory: String
    private let consoleDirectory: String
    /// The log of libvirt's driver, which appends to it.
    public var logPath: String { Self.logPath(in: consoleDirectory) }
    private static func logPath(in directory: String) -> String { directory + "/libvirt.log" }

    /// - Parameters:
    ///   - directory: the lab's own, short, for libvirt's state and the channels' sockets.
    ///   - consoleDirectory: existing folder for `console-NODE.log`.
    public static func open(
        directory: String, capabilitiesCache: String, consoleDirectory: String, boot: Boot
    ) async throws -> LibvirtHypervisor {
        // The driver's log goes into a file and not to standard error. 3 stands for warnings and worse.
        setenv("LIBVIRT_LOG_OUTPUTS", "3:file:\(logPath(in: consoleDirectory))", 1)
        let connection = try await Connection.open(
            root: EmbedRoot(path: directory + "/v", sharedCache: capabilitiesCache))
        var boot = boot
        boot.parameters += try await clockParameters(accelerator: boot.accelerator)
        return LibvirtHypervisor(
            connection: connection, boot: boot, directory: directory, consoleDirectory: consoleDirectory)
    }

    /// Tells an emulated node's kernel the rate of its time-stamp counter, which is this machine's.
    ///
    /// Otherwise the kernel measures it, against a timer that goes on while the host keeps the emulator from running.
    /// On a busy host it has come out 18 times too low ("PIT calibration deviates from HPET: 117478 2099595", 1 of 48
    /// boots with 24 side by side): that node's clock then ran 18 times as fast, and a deadline of a minute was over in
    /// three seconds. The kernel still refines the value that it is given, by up to a percent.
    static func clockParameters(accelerator: String) async throws -> [String] {
        guard accelerator != "kvm", let rate = try await TimeStampCounter.kilohertz() else { return [] }
        return ["tsc_early_khz=\(rate)"]
    }

    private init(connection: Connection, boot: Boot, directory: String, consoleDirectory: String) {
        self.connection = connection
        self.boot = boot
        self.directory = directory
        self.consoleDirectory = consoleDirectory
    }

    /// The kernel's command line. A panic ends the machine at once, so that it is noticed.
    ///
    /// The rest saves time and memory. Without the crypto self-tests a node is up 0.27 s earlier (of 1.95 s, QEMU 7.2
    /// under TCG). With expedited RCU grace periods, namespaces and filters come and go without waiting for ordinary
    /// ones. Security modules would look at every packet and socket. IPv6, which nothing here uses, would take 100 KiB
    /// of each network namespace: without it, a node of 128 MiB with 33 pods has 20 MiB free instead of 16.
    static let kernelArguments = [
        "console=ttyS0", "panic=-1", "oops=panic", "loglevel=4", "tsc=reliable", "mitigations=off", "nokaslr",
        "random.trust_cpu=on", "cryptomgr.notests=1", "rcupdate.rcu_expedited=1", "net.ifnames=0",
        "rootfstype=ramfs", "rdinit=/init", "lsm=capability", "ipv6.disable=1",
    ]

    /// QEMU's buffer of translated code, in MiB a processor. When it is full QEMU throws all of it away and translates
    /// anew what runs on. A node's kernel and runtime fill 29 MiB before the agent has even started, so with 32 MiB a
    /// node spends a third of its processor time on translating what had been translated. Only what was used is
    /// resident.
    static let translationCacheMiB = 128

    /// - Parameter hotplugSlots: How many interfaces can be plugged in while the machine runs, besides those that it
    ///   has.
    public func machine(
        for node: LabPlan.Node, index: Int, memoryMiB: Int, hotplugSlots: Int = 0
    ) -> any NodeMachine {
        machine(
            named: node.name, index: index, memoryMiB: memoryMiB,
            interfaces: [.init(tap: node.tap, mac: node.mac, mtu: 1500)]
                + node.further.map { .init(tap: $0.tap, mac: $0.mac, mtu: 1500) },
            hotplugSlots: hotplugSlots)
    }

    func machine(
        named name: String, index: Int, memoryMiB: Int, processors: Int = 1, interfaces: [DomainSpec.Interface],
        hotplugSlots: Int = 0
    ) -> any NodeMachine {
        let socket = "\(directory)/n\(index)"
        let number = String(index)
        let spec = DomainSpec(
            name: name,
            uuid: "6c616272-756e-4000-8000-" + String(repeating: "0", count: 12 - number.count) + number,
            accelerator: boot.accelerator == "kvm" ? .kvm : .tcg, memoryMiB: memoryMiB, vcpus: processors,
            kernel: boot.kernelPath, initrd: boot.initrdPath,
            kernelArguments: (Self.kernelArguments + boot.parameters).joined(separator: " "),
            consoleLog: "\(consoleDirectory)/console-\(name).log",
            channels: [.init(name: "labrun.link", socketPath: socket)],
            interfaces: interfaces,
            disks: [boot.userlandPath, boot.kubeletDiskPath].compactMap { $0.map { .init(path: $0) } },
            hotplugSlots: hotplugSlots,
            translationCacheMiB: processors * Self.translationCacheMiB, rebootAction: .destroy)
        return LibvirtMachine(connection: connection, spec: spec)
    }

    public func destroyAll() async throws {
        try await connection.destroyAll()
        connection.finishEvents()
    }
}

/// The domain of a node. It is defined anew at every power-on.
final class LibvirtMachine: NodeMachine {
    private let connection: Connection
    private let spec: DomainSpec
    /// The interfaces that the machine has now, those plugged in later among them.
    private let interfaces: Mutex<[DomainSpec.Interface]>
    private let domain = Mutex<Domain?>(nil)
    private let console: Mutex<String>
    let powerEvents: AsyncStream<PowerEvent>

    init(connection: Connection, spec: DomainSpec) {
        self.connection = connection
        self.spec = spec
        interfaces = Mutex(spec.interfaces)
        console = Mutex(spec.consoleLog)
        let (stream, continuation) = AsyncStream.makeStream(of: PowerEvent.self)
        powerEvents = stream
        let events = connection.events()
        let name = spec.name
        let task = Task {
            for await event in events where event.domain == name {
                if let power = Self.power(event.kind) { continuation.yield(power) }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
    }

    private static func power(_ kind: DomainEvent.Kind) -> PowerEvent? {
        switch kind {
        case .started, .resumed: PowerEvent(power: .running, reason: "")
        case .suspended: PowerEvent(power: .paused, reason: "suspended")
        case .stopped(.shutdown): PowerEvent(power: .stopped, reason: "the guest powered off or its kernel panicked")
        case .stopped(.crashed), .crashed: PowerEvent(power: .stopped, reason: "the guest's kernel panicked")
        case .stopped(.failed): PowerEvent(power: .stopped, reason: "QEMU failed or was killed")
        case .stopped(.destroyed): PowerEvent(power: .stopped, reason: "power was cut")
        case .stopped(let reason): PowerEvent(power: .stopped, reason: "\(reason)")
        case .rebooted, .shutdown, .deviceRemoved, .other: nil
        }
    }

    func start() async throws {
        var spec = spec
        spec.interfaces = interfaces.withLock { $0 }
        spec.consoleLog = consolePath
        // PCI needs a root port for each interface that is there and for each free slot.
        spec.hotplugSlots -= spec.interfaces.count - self.spec.interfaces.count
        let created = try await connection.create(spec)
        domain.withLock { $0 = created }
    }

    func stop() async throws { try await current().destroy() }
    func pause() async throws { try await current().suspend() }
    func resume() async throws { try await current().resume() }
    func setLink(up: Bool) async throws { try await current().setLink(mac: spec.interfaces[0].mac, up: up) }

    func attachInterface(tap: String, mac: String) async throws {
        let interface = DomainSpec.Interface(tap: tap, mac: mac, mtu: 1500)
        try await current().attach(interface)
        interfaces.withLock { $0.append(interface) }
    }

    func detachInterface(mac: String) async throws {
        guard let interface = interfaces.withLock({ $0.first { $0.mac == mac } }) else {
            throw LabError(.request, "\(spec.name) has no card with MAC address \(mac)")
        }
        let domain = try current()
        let events = connection.events()
        try await domain.detach(interface)
        if try await domain.hasCard(mac: mac), try await !isRemoved(mac, of: domain, events) {
            throw LabError(
                .request, "\(spec.name) did not let go of its card \(mac) within \(Self.unplugging): it is still there")
        }
        interfaces.withLock { $0.removeAll { $0.mac == mac } }
    }

    private static let unplugging = Duration.seconds(10)

    /// Waits until the guest has let go of an interface.
    private func isRemoved(_ mac: String, of domain: Domain, _ events: AsyncStream<DomainEvent>) async throws -> Bool {
        let name = spec.name
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await event in events where event.domain == name {
                    guard case .deviceRemoved = event.kind else { continue }
                    if try await !domain.hasCard(mac: mac) { return true }
                }
                return false
            }
            group.addTask {
                try await Task.sleep(for: Self.unplugging)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }

    func power() async throws -> NodeState.Power {
        guard let domain = domain.withLock({ $0 }) else { return .off }
        let info: Domain.Info
        do {
            info = try await domain.info()
        } catch let error as LibvirtError where error.saysNotRunning || domain.processIdentifier() == nil {
            // A transient domain that ended is not known any more (libvirt 9 fails without an error of its own then),
            // and its QEMU is gone. Any other failure says nothing of its power.
            return .stopped
        }
        switch info.state {
        case .running, .blocked: return .running
        case .paused, .suspendedByGuest: return .paused
        default: return .stopped
        }
    }

    var channelPath: String { spec.channels[0].socketPath }
    var consolePath: String { console.withLock { $0 } }

    func moveConsole(to path: String) throws {
        try console.withLock { console in
            // QEMU holds the file open, and so writes to it by whatever name. A machine that never ran has none yet.
            if FileManager.default.fileExists(atPath: console) {
                try check("rename", console) { rename(console, path) }
            }
            console = path
        }
    }

    private func current() throws -> Domain {
        guard let domain = domain.withLock({ $0 }) else { throw LabError(.request, "\(spec.name) was never started") }
        return domain
    }
}
