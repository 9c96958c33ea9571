/// Describes a virtual machine as pure values. `DomainXML` turns them into libvirt's form.
public struct DomainSpec: Sendable, Hashable, Codable {
    /// The means by which the guest's instructions are executed.
    public enum Accelerator: String, Sendable, Hashable, Codable {
        /// QEMU's translator: works everywhere.
        case tcg = "qemu"
        /// Hardware virtualisation.
        case kvm
    }

    /// What to do when the guest itself reboots, as a kernel does after a panic with `panic=-1`.
    public enum RebootAction: String, Sendable, Hashable, Codable {
        /// The domain stops, and an event reports it. `Domain.reset` stops it, too.
        case destroy
        /// The domain boots again, and an event `rebooted` reports it.
        case restart
    }

    /// A virtio-serial port, QEMU listening on a Unix socket.
    public struct Channel: Sendable, Hashable, Codable {
        /// The name in the guest, in `/sys/class/virtio-ports/*/name`.
        public var name: String
        /// The socket's path on the host, shorter than 108 bytes.
        public var socketPath: String

        public init(name: String, socketPath: String) {
            self.name = name
            self.socketPath = socketPath
        }
    }

    /// A virtio network card on an existing tap. Offloads are off, so frames on the wire are no larger than the guest's
    /// MTU.
    public struct Interface: Sendable, Hashable, Codable {
        /// The tap's name on the host.
        public var tap: String
        /// `52:54:00:…` in lower case. It also identifies the card in later calls.
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

    /// A virtio disk that the guest can only read. The first one is `/dev/vda`.
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
    /// The file that the guest's ttyS0 is appended to. Its folder must exist.
    public var consoleLog: String
    public var channels: [Channel]
    public var interfaces: [Interface]
    public var disks: [Disk]
    /// Free PCIe root ports for network cards plugged in later.
    public var hotplugSlots: Int
    /// The size of QEMU's buffer of translated code, which is most of a TCG guest's resident memory.
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
