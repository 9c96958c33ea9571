import XMLCoder

extension DomainXML {
    /// Everything that is plugged in. What libvirt would add by itself but a node does not need is switched off.
    struct Devices: Encodable {
        var emulator: String
        var controller: [Controller]
        var serial: Serial
        var channel: [Channel]
        var interface: [Interface]
        var disk: [Disk]
        var memballoon: Model
        var panic: Model

        init(_ spec: DomainSpec) {
            emulator = "/usr/bin/qemu-system-x86_64"
            // There is one root port for the virtio-serial controller, one for every card and disk, and the free ones.
            let ports = 1 + spec.interfaces.count + spec.disks.count + spec.hotplugSlots
            controller =
                [
                    Controller(type: "usb", index: 0, model: "none"),
                    Controller(type: "pci", index: 0, model: "pcie-root"),
                ] + (1...ports).map { Controller(type: "pci", index: $0, model: "pcie-root-port") }
            serial = Serial(path: spec.consoleLog)
            channel = spec.channels.map(Channel.init)
            interface = spec.interfaces.map(Interface.init)
            disk = zip(spec.disks, "abcdefgh").map { Disk($0, letter: $1) }
            memballoon = Model(model: "none")
            panic = Model(model: "isa")
        }
    }

    struct Model: LeafElement {
        var model: String
    }

    struct Controller: LeafElement {
        var type: String
        var index: Int
        var model: String
    }

    struct Serial: TypedElement {
        struct Source: LeafElement {
            var path: String
            var append: String
        }
        struct Target: LeafElement {
            var type: String
            var port: Int
        }

        var type: String
        var source: Source
        var target: Target

        init(path: String) {
            type = "file"
            source = Source(path: path, append: "on")
            target = Target(type: "isa-serial", port: 0)
        }
    }

    struct Channel: TypedElement {
        struct Source: LeafElement {
            var mode: String
            var path: String
        }
        struct Target: LeafElement {
            var type: String
            var name: String
        }

        var type: String
        var source: Source
        var target: Target

        init(_ spec: DomainSpec.Channel) {
            type = "unix"
            source = Source(mode: "bind", path: spec.socketPath)
            target = Target(type: "virtio", name: spec.name)
        }
    }

    struct Disk: TypedElement {
        struct Driver: LeafElement {
            var name: String
            var type: String
            var cache: String
        }
        struct Source: LeafElement {
            var file: String
        }
        struct Target: LeafElement {
            var dev: String
            var bus: String
        }

        var type: String
        var driver: Driver
        var source: Source
        var target: Target
        var readonly = Empty()

        init(_ spec: DomainSpec.Disk, letter: Character) {
            type = "file"
            // The disk is read-only, so nothing has to be flushed.
            driver = Driver(name: "qemu", type: "raw", cache: "unsafe")
            source = Source(file: spec.path)
            target = Target(dev: "vd\(letter)", bus: "virtio")
        }
    }

    struct Interface: TypedElement {
        struct Address: LeafElement {
            var address: String
        }
        struct Target: LeafElement {
            var dev: String
            var managed: String
        }
        struct Kind: LeafElement {
            var type: String
        }
        struct Size: LeafElement {
            var size: Int
        }
        struct State: LeafElement {
            var state: String
        }
        struct Rom: LeafElement {
            var enabled: String
        }
        struct Driver: Encodable {
            struct Host: LeafElement {
                var csum = "off"
                var gso = "off"
                var tso4 = "off"
                var tso6 = "off"
                var ecn = "off"
                var ufo = "off"
                var mrg_rxbuf = "off"
            }
            struct Guest: LeafElement {
                var csum = "off"
                var tso4 = "off"
                var tso6 = "off"
                var ecn = "off"
                var ufo = "off"
            }
            var host = Host()
            var guest = Guest()
        }

        var type: String
        var mac: Address
        var target: Target
        var model: Kind
        var driver: Driver
        var mtu: Size?
        var link: State
        var rom: Rom

        init(_ spec: DomainSpec.Interface) {
            type = "ethernet"
            mac = Address(address: spec.mac)
            target = Target(dev: spec.tap, managed: "no")
            model = Kind(type: "virtio")
            driver = Driver()
            mtu = spec.mtu.map { Size(size: $0) }
            link = State(state: spec.linkUp ? "up" : "down")
            // The card's boot firmware would search the network for something to boot before the kernel starts.
            rom = Rom(enabled: "no")
        }

        /// A device document of its own, for attach, detach and update.
        static func encode(_ spec: DomainSpec.Interface) throws -> String {
            try DomainXML.encode(Interface(spec), root: "interface")
        }
    }
}
