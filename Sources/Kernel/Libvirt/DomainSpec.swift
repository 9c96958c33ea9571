/// What a virtual machine is made of. Pure values; `DomainXML` says it in libvirt's words.
public struct DomainSpec: Sendable, Hashable, Codable {
    /// What executes the guest's instructions.
    public enum Accelerator: String, Sendable, Hashable, Codable {
        /// QEMU's translator: works everywhere.
        case tcg = "qemu"
        /// Hardware virtualisation.
        case kvm
    }

    /// What happens when the guest itself reboots, as a kernel does after a panic with `panic=-1`.
    public enum RebootAction: String, Sendable, Hashable, Codable {
        /// The domain stops, and its event says so. `Domain.reset` stops it too.
        case destroy
        /// It boots again, and an event `rebooted` says so.
        case restart
    }

    /// A virtio-serial port, QEMU listening on a Unix socket.
    public struct Channel: Sendable, Hashable, Codable {
        /// Name in the guest, `/sys/class/virtio-ports/*/name`.
        public var name: String
        /// Socket path on the host, below 108 bytes.
        public var socketPath: String

        public init(name: String, socketPath: String) {
            self.name = name
            self.socketPath = socketPath
        }
    }

    /// A virtio network card on a tap that exists already. Offloads are off: frames on the wire are what the guest's
    /// MTU says.
    public struct Interface: Sendable, Hashable, Codable {
        /// The tap's name on the host.
        public var tap: String
        /// `52:54:00:…`, lower case: also the card's identity in later calls.
        public var mac: String
        /// Bytes; `nil` leaves the guest's default, 1500.
        public var mtu: Int?
        /// Whether the link starts up.
        public var linkUp: Bool

        public init(tap: String, mac: String, mtu: Int? = nil, linkUp: Bool = true) {
            self.tap = tap
            self.mac = mac
            self.mtu = mtu
            self.linkUp = linkUp
        }
    }

    /// A virtio disk that the guest can only read: `/dev/vda` of the first one.
    public struct Disk: Sendable, Hashable, Codable {
        /// Raw image on the host.
        public var path: String

        public init(path: String) {
            self.path = path
        }
    }

    /// Unique in the connection.
    public var name: String
    /// Lower case, with hyphens.
    public var uuid: String
    public var accelerator: Accelerator
    public var memoryMiB: Int
    public var vcpus: Int
    /// Path of the kernel image on the host.
    public var kernel: String
    /// Path of the initramfs on the host.
    public var initrd: String?
    public var kernelArguments: String
    /// File that gets the guest's ttyS0, appended. Its folder must exist.
    public var consoleLog: String
    public var channels: [Channel]
    public var interfaces: [Interface]
    public var disks: [Disk]
    /// Free PCIe root ports for network cards plugged in later.
    public var hotplugSlots: Int
    /// QEMU's buffer of translated code: the larger part of a TCG guest's resident memory.
    public var translationCacheMiB: Int
    public var rebootAction: RebootAction

    public init(
        name: String, uuid: String, accelerator: Accelerator = .tcg, memoryMiB: Int = 128, vcpus: Int = 1,
        kernel: String,
        initrd: String?, kernelArguments: String, consoleLog: String, channels: [Channel] = [],
        interfaces: [Interface] = [], disks: [Disk] = [], hotplugSlots: Int = 4, translationCacheMiB: Int = 64,
        rebootAction: RebootAction = .restart
    ) {
        self.name = name
        self.uuid = uuid
        self.accelerator = accelerator
        self.memoryMiB = memoryMiB
        self.vcpus = vcpus
        self.kernel = kernel
        self.initrd = initrd
        self.kernelArguments = kernelArguments
        self.consoleLog = consoleLog
        self.channels = channels
        self.interfaces = interfaces
        self.disks = disks
        self.hotplugSlots = hotplugSlots
        self.translationCacheMiB = translationCacheMiB
        self.rebootAction = rebootAction
    }
}
