import XMLCoder

/// libvirt's domain XML, limited to what a lab's nodes need. https://libvirt.org/formatdomain.html describes its
/// elements.
struct DomainXML: TypedElement {
    var type: String
    var name: String
    var uuid: String
    var memory: Measured
    var vcpu: Int
    var os: OperatingSystem
    var features: Features
    var cpu: Processor
    var clock: Clock
    var on_poweroff: String
    var on_reboot: String
    var on_crash: String
    var devices: Devices

    init(_ spec: DomainSpec) {
        type = spec.accelerator.rawValue
        name = spec.name
        uuid = spec.uuid
        memory = Measured(unit: "MiB", value: spec.memoryMiB)
        vcpu = spec.vcpus
        os = OperatingSystem(kernel: spec.kernel, initrd: spec.initrd, cmdline: spec.kernelArguments)
        features = Features(
            tcg: spec.accelerator == .tcg
                ? Features.Translator(cache: Measured(unit: "MiB", value: spec.translationCacheMiB)) : nil)
        cpu = Processor(without: spec.accelerator == .tcg ? Processor.costlyWhenEmulated : [])
        clock = Clock(offset: "utc")
        on_poweroff = "destroy"
        on_reboot = spec.rebootAction.rawValue
        on_crash = "destroy"
        devices = Devices(spec)
    }

    /// The document that virDomainCreateXML takes.
    static func encode(_ spec: DomainSpec) throws -> String {
        try encode(DomainXML(spec), root: "domain")
    }

    static func encode(_ value: some Encodable, root: String) throws -> String {
        let encoder = XMLEncoder()
        encoder.outputFormatting = [.prettyPrinted]
        return String(decoding: try encoder.encode(value, withRootKey: root), as: UTF8.self)
    }

    struct Measured: LeafElement {
        var unit: String
        var value: Int

        enum CodingKeys: String, CodingKey {
            case unit
            case value = ""
        }
    }

    struct Processor: Encodable, DynamicNodeEncoding {
        struct Feature: LeafElement {
            var policy: String
            var name: String
        }

        /// CPU features that a kernel uses for speed or safety in hardware, but that QEMU must emulate step by step:
        /// string moves by the byte (erms, fsrm), switching address translation around every copy to user space (smap,
        /// pku), and a fifth level of page tables (la57).
        static let costlyWhenEmulated = ["erms", "fsrm", "la57", "pku", "smap"]

        var mode = "maximum"
        var feature: [Feature]

        init(without names: [String]) {
            feature = names.map { Feature(policy: "disable", name: $0) }
        }

        static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
            key.stringValue == "mode" ? .attribute : .element
        }
    }

    struct Clock: LeafElement {
        var offset: String
    }

    struct Empty: Encodable {}

    struct OperatingSystem: Encodable {
        struct Machine: LeafElement {
            var arch: String
            var machine: String
            var value: String

            enum CodingKeys: String, CodingKey {
                case arch, machine
                case value = ""
            }
        }

        var type: Machine
        var kernel: String
        var initrd: String?
        var cmdline: String

        init(kernel: String, initrd: String?, cmdline: String) {
            type = Machine(arch: "x86_64", machine: "q35", value: "hvm")
            self.kernel = kernel
            self.initrd = initrd
            self.cmdline = cmdline
        }
    }

    struct Features: Encodable {
        struct Translator: Encodable {
            var cache: Measured

            enum CodingKeys: String, CodingKey {
                case cache = "tb-cache"
            }
        }

        var acpi = Empty()
        var apic = Empty()
        var tcg: Translator?

        init(tcg: Translator?) {
            self.tcg = tcg
        }
    }
}
