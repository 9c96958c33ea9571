// swift-tools-version:6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let xmlCoder = Target.Dependency.product(name: "XMLCoder", package: "XMLCoder")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

// Three groups, leaf modules first; arrows only point upwards in each list.
//   guest:  what runs inside a node (static executables, FoundationEssentials only)
//   shared: pure values that both sides of a wire agree on
//   host:   what runs outside or as the lab host
let shared: [Target] = [
    .target(name: "Matrix", swiftSettings: strict),
    .target(name: "NodeProtocol", swiftSettings: strict),
    .target(name: "KubeObjects", swiftSettings: strict),
    .target(name: "DatapathOptions", swiftSettings: strict),
    .target(name: "AgentAPI", dependencies: ["DatapathOptions"], swiftSettings: strict),
    .target(name: "CLinuxShim"),
    .target(name: "LinuxKernel", dependencies: ["CLinuxShim"], swiftSettings: strict),
    .systemLibrary(name: "CLibnl", pkgConfig: "libnl-route-3.0", providers: [.apt(["libnl-route-3-dev"])]),
    .target(name: "NetAddress", swiftSettings: strict),
    .target(name: "DNSWire", swiftSettings: strict),
    .target(name: "Netlink", dependencies: ["CLibnl", "NetAddress", "LinuxKernel"], swiftSettings: strict),
    .target(name: "CloudAPI", dependencies: ["LinuxKernel", "NetAddress"], swiftSettings: strict),
    .target(name: "CNI", swiftSettings: strict),
]

let guest: [Target] = [
    .target(name: "CDatapathABI", path: "bpf/abi"),
    .target(name: "CBPFObjects"),
    .systemLibrary(name: "CLibbpf", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
    .target(name: "BPF", dependencies: ["CLibbpf", "LinuxKernel"], swiftSettings: strict),
    .target(name: "Policy", dependencies: ["KubeObjects", "NetAddress"], swiftSettings: strict),
    .target(name: "DatapathModel", dependencies: ["CDatapathABI", "NetAddress"], swiftSettings: strict),
    .target(
        name: "RequestProxy",
        dependencies: ["DNSWire", "LinuxKernel", "NetAddress", "Policy", nioCore, nioPosix, nioHTTP1],
        swiftSettings: strict),
    .target(
        name: "Datapath",
        dependencies: [
            "AgentAPI", "BPF", "CBPFObjects", "CloudAPI", "CNI", "DNSWire", "DatapathModel", "DatapathOptions",
            "KubeObjects",
            "NetAddress", "Netlink",
            "LinuxKernel", "Policy", "RequestProxy",
        ],
        swiftSettings: strict),
    .target(name: "CNodeShim"),
    .target(
        name: "NodeRuntime",
        dependencies: [
            "CLinuxShim", "CNI", "CNodeShim", "DNSWire", "LinuxKernel", "NetAddress", "Netlink", "NodeProtocol",
        ],
        swiftSettings: strict),
    .target(
        name: "NodePlugins", dependencies: ["CloudAPI", "CNI", "LinuxKernel", "NetAddress", "Netlink"],
        swiftSettings: strict),
    .executableTarget(
        name: "labguest", dependencies: ["Datapath", "NodePlugins", "NodeRuntime"], swiftSettings: strict,
        // It lies in a node's RAM, without a dynamic linker: static, and no dead sections.
        linkerSettings: [
            .unsafeFlags(["-static-executable", "-Xlinker", "--gc-sections"], .when(configuration: .release))
        ]),
]

let host: [Target] = [
    .target(
        name: "LabProfiles", path: "lab", resources: [.embedInCode("profiles")], swiftSettings: strict),
    .target(
        // `files` is a link to /scenarios, where the files are seen and edited.
        name: "ShippedScenarios", resources: [.embedInCode("files")], swiftSettings: strict),
    .target(
        name: "ReportTemplates", path: "reports/templates", resources: [.embedInCode("files")], swiftSettings: strict),
    .target(name: "NodeLink", dependencies: ["NodeProtocol"], swiftSettings: strict),
    .target(
        name: "Scenario",
        dependencies: [
            "CloudAPI", "DatapathOptions", "Digest", "KubeObjects", "LabProfiles", "Matrix", "ShippedScenarios", yams,
        ],
        swiftSettings: strict),
    .target(name: "RunEvents", dependencies: ["Matrix"], swiftSettings: strict),
    .target(name: "Diagnosis", dependencies: ["Matrix"], swiftSettings: strict),
    .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
    .target(name: "Libvirt", dependencies: ["CLibvirt", "LinuxKernel", xmlCoder], swiftSettings: strict),
    .systemLibrary(name: "CLibpcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
    .systemLibrary(name: "CLibnftables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
    .target(
        name: "Fabric", dependencies: ["CLibpcap", "CLibnftables", "Netlink", "NetAddress", "LinuxKernel"],
        swiftSettings: strict),
    .target(
        name: "VPCServices", dependencies: ["CNodeShim", "CloudAPI", "DNSWire", "NetAddress", "LinuxKernel"],
        swiftSettings: strict),
    .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "Digest", dependencies: ["CLibcrypto"], swiftSettings: strict),
    .target(name: "KubeProxy", dependencies: ["Digest", "KubeObjects"], swiftSettings: strict),
    .target(name: "NodeImage", dependencies: ["Digest", "LinuxKernel", subprocess], swiftSettings: strict),
    .target(
        name: "Lab",
        dependencies: [
            "Libvirt", "Fabric", "NetAddress", "NodeLink", "NodeProtocol", "AgentAPI", "DatapathOptions", "KubeObjects",
            "Scenario", "Matrix", "Digest", "KubeProxy", "LinuxKernel", "CloudAPI", "VPCServices",
            // Hosts of the cloud answer and send probes with the nodes' own prober.
            "NodeRuntime",
        ],
        swiftSettings: strict),
    .target(
        name: "Faults", dependencies: ["Lab", "Fabric", "NodeLink", "NodeProtocol", "Scenario"], swiftSettings: strict),
    .target(
        name: "Runner",
        dependencies: [
            "AgentAPI", "Lab", "Faults", "Fabric", "Diagnosis", "KubeProxy", "Matrix", "NodeProtocol", "RunEvents",
            "Scenario",
            "LinuxKernel",
        ],
        swiftSettings: strict),
    .target(
        name: "Reports", dependencies: ["Digest", "RunEvents", "Matrix", "ReportTemplates", xmlCoder, mustache],
        swiftSettings: strict),
    .target(
        name: "LabrunCommands",
        dependencies: [
            "Lab", "Matrix", "Runner", "Reports", "RunEvents", "Faults", "Diagnosis", "Scenario", "LabProfiles",
            "ShippedScenarios",
            "KubeObjects", "KubeProxy", "NodeImage", "Libvirt", "LinuxKernel", "CLibnftables", argumentParser,
        ],
        swiftSettings: strict),
    .executableTarget(name: "labbench", dependencies: ["NodeImage", "Reports", "RunEvents"], swiftSettings: strict),
    .executableTarget(
        name: "labrun", dependencies: ["LabrunCommands", "Runner", "LinuxKernel"], swiftSettings: strict),
]

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: dependencies, resources: resources, swiftSettings: strict)
}

let package = Package(
    name: "labrun",
    products: [
        .executable(name: "labrun", targets: ["labrun"]),
        .executable(name: "labguest", targets: ["labguest"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/CoreOffice/XMLCoder", from: "0.18.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: shared + guest + host + [
        tests("Matrix", ["Matrix"]),
        tests("CNI", ["CNI"]),
        tests("NodePlugins", ["CNI", "NetAddress", "NodePlugins"]),
        tests("KubeObjects", ["KubeObjects"]),
        tests("KubeProxy", ["KubeProxy", "KubeObjects"]),
        tests("DatapathOptions", ["DatapathOptions"]),
        tests("Policy", ["Policy", "KubeObjects", "NetAddress"]),
        tests(
            "RequestProxy",
            ["RequestProxy", "DNSWire", "NetAddress", "Policy", "LinuxKernel", nioCore, nioHTTP1]),
        tests("NodeProtocol", ["NodeProtocol"]),
        tests("NodeLink", ["NodeLink", "NodeProtocol"]),
        tests("NetAddress", ["NetAddress"]),
        tests("DNSWire", ["DNSWire"]),
        tests("VPCServices", ["VPCServices", "CloudAPI", "DNSWire", "NetAddress"]),
        .target(name: "NamespaceHarness", path: "Tests/NamespaceHarness", swiftSettings: strict),
        .executableTarget(
            name: "namespace-selftest",
            dependencies: [
                "CloudAPI", "Fabric", "Lab", "Netlink", "NetAddress", "LinuxKernel", "Scenario", "VPCServices",
            ],
            path: "Tests/NamespaceSelftest", swiftSettings: strict),
        tests("Netlink", ["NetAddress", "Netlink", "NamespaceHarness", "namespace-selftest"]),
        tests(
            "Datapath",
            [
                "BPF", "CDatapathABI", "Datapath", "DatapathModel", "DatapathOptions", "AgentAPI", "CloudAPI", "CNI",
                "KubeObjects",
                "NetAddress",
                "Netlink",
                "LinuxKernel", "NamespaceHarness", "Policy",
            ],
            resources: [.copy("Snapshots")]),
        .executableTarget(
            name: "prober-selftest",
            dependencies: ["CNodeShim", "NodeRuntime", "NodeProtocol", "Netlink", "NetAddress", "LinuxKernel"],
            path: "Tests/ProberSelftest", swiftSettings: strict),
        tests(
            "NodeRuntime",
            ["NodeRuntime", "NodeLink", "NodeImage", "NodeProtocol", "NamespaceHarness", "prober-selftest"]),
        tests(
            "Scenario", ["DatapathOptions", "KubeObjects", "Matrix", "Scenario", "LabProfiles", "ShippedScenarios"],
            resources: [.copy("Fixtures")]),
        tests("Diagnosis", ["Diagnosis", "Matrix"]),
        tests(
            "Lab",
            [
                "KubeObjects", "Lab", "Matrix", "NetAddress", "NodeProtocol", "Reports", "RunEvents", "Scenario",
                "ShippedScenarios",
                subprocess,
            ]),
        .executableTarget(
            name: "LabEntryProbe", dependencies: ["LinuxKernel"], path: "Tests/LabEntryProbe", swiftSettings: strict),
        tests("LinuxKernel", ["LinuxKernel", "LabEntryProbe"]),
        .executableTarget(
            name: "LibvirtProbe", dependencies: ["Libvirt", "LinuxKernel"], path: "Tests/LibvirtProbe",
            swiftSettings: strict),
        tests(
            "Libvirt", ["Libvirt", "LibvirtProbe", "LinuxKernel"],
            resources: [.copy("Snapshots"), .copy("plain-guest.sh")]),
        tests("Fabric", ["Fabric", "LinuxKernel", "NetAddress", "NamespaceHarness", "namespace-selftest"]),
        tests("NodeImage", ["NodeImage", "Digest", "LinuxKernel"]),
        tests(
            "Runner", ["Runner", "Diagnosis", "KubeProxy", "Lab", "Matrix", "NodeProtocol", "RunEvents", "Scenario"]),
        tests("Reports", ["Matrix", "Reports", "RunEvents"]),
        tests("LabrunCommands", ["LabrunCommands", "Faults", "Scenario"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
