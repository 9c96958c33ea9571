// swift-tools-version:6.2
import Foundation
import PackageDescription

// Three machines, a floor of `Sources/` each, and two floors that they stand on:
//
//   Shared       values and messages that both sides of a wire agree on, and the prober, which runs on both sides
//   Kernel       Linux and C libraries: a system-library module (module map and shim) under one Swift wrapper
//   Guest        what runs inside a node: static executables, FoundationEssentials only
//   Host         what runs outside, or as the lab host
//   Executables  mains, as thin as they can be
//
// `Tests/` has the same floors; `Tests/Programs` are programs that tests run in namespaces of their own.
//
// A module's dependencies are what its sources import: they are read here and kept in no list. SwiftPM caches the
// evaluated manifest, so after a new import `swift build` by hand needs `--manifest-cache none`. The Makefile always
// gives it.

let shared: [Target] = [
    module("Hashing"),
    module("JSON"),
    module("NetAddress"),
    module("Readings"),
    module("Matrix"),
    module("NodeProtocol"),
    module("Shapes"),
    module("KubeObjects"),
    module("Policy"),
    module("DatapathOptions"),
    module("AgentAPI"),
    module("CNI"),
    module("CloudAPI"),
    module("DNSWire"),
    module("HTTPWire"),
    module("KubeClient"),
    module("ServedObjects"),
    module("GatewayRoutes"),
    module("Prober"),
    // Structs, drop reasons and trace points that BPF programs and Swift share.
    cModule("CDatapathABI", path: "bpf/abi"),
].onFloor("Shared")

let kernel: [Target] = [
    cModule("CLinuxShim"),
    module("LinuxKernel"),
    module("Files"),
    cModule("CNodeShim"),
    library("CLibnl", pkgConfig: "libnl-route-3.0", package: "libnl-route-3-dev"),
    module("Netlink"),
    library("CLibbpf", pkgConfig: "libbpf", package: "libbpf-dev"),
    module("BPF"),
    library("CLibcrypto", pkgConfig: "libcrypto", package: "libssl-dev"),
    module("OpenSSL"),
    module("Digest"),
    module("Certificates"),
    library("CLibssl", pkgConfig: "libssl", package: "libssl-dev"),
    module("TLS"),
    library("CLibpcap", pkgConfig: "libpcap", package: "libpcap-dev"),
    library("CLibnftables", pkgConfig: "libnftables", package: "libnftables-dev"),
    library("CLibz", pkgConfig: "zlib", package: "zlib1g-dev"),
    library("CLibvirt", pkgConfig: "libvirt", package: "libvirt-dev"),
    module("Libvirt"),
].onFloor("Kernel")

let guest: [Target] = [
    // The compiled BPF objects, embedded.
    cModule("CBPFObjects"),
    module("DatapathModel"),
    module("RequestProxy"),
    module("PortListeners"),
    module("ServiceHealth"),
    module("GatewayProxy"),
    module("KubeletServer"),
    module("ClusterClient"),
    module("Datapath"),
    // The datapath's checks and measurements, which no node of a lab carries.
    cModule("CPacketDriver"),
    module("PacketChecks"),
    module("Benchmarks"),
    module("Kubelet"),
    module("KubeletService"),
    module("PodWorkloads"),
    module("NodePlugins"),
    module("RealKubelet"),
    module("NodeRuntime"),
].onFloor("Guest")

let host: [Target] = [
    module("LabProfiles", path: "lab", resources: [.embedInCode("profiles"), .embedInCode("images.yaml")]),
    // `files` is a link to /scenarios, where the files are seen and edited.
    module("ShippedScenarios", resources: [.embedInCode("files")]),
    module("ReportTemplates", path: "reports/templates", resources: [.embedInCode("files")]),
    module("NodeLink"),
    module("KubeProxy"),
    module("KubeletConformance"),
    module("ServerProgram"),
    module("ControlPlane"),
    module("CloudController"),
    module("Operator"),
    module("NodeImage"),
    module("Fabric"),
    module("VPCServices"),
    module("Diagnosis"),
    module("RunEvents"),
    module("PlainText"),
    module("ScenarioReading"),
    module("Observations"),
    module("Expectations"),
    module("Scenario"),
    module("Lab"),
    module("Faults"),
    module("Runner"),
    module("Reports"),
    module("LabrunCommands"),
].onFloor("Host")

let executables: [Target] = [
    program("labrun", linking: runtimeInside("-static-stdlib")),
    nodeProgram("labguest"),
    nodeProgram("labverify"),
    program("labbench"),
].onFloor("Executables")

let tests: [Target] =
    [
        tests("Hashing"), tests("JSON"), tests("NetAddress"), tests("Readings"), tests("Matrix"),
        tests("NodeProtocol"), tests("KubeObjects"), tests("Policy"), tests("DatapathOptions"),
        tests("CNI"), tests("DNSWire"), tests("HTTPWire"), tests("KubeClient"), tests("ServedObjects"),
        tests("GatewayRoutes"),
        tests("Prober", running: ["prober-selftest"]),
    ].onFloor("Shared", of: "Tests")
    + [
        tests("LinuxKernel", running: ["LabEntryProbe"]),
        tests("Files"),
        tests("Certificates"),
        tests("TLS"),
        tests("Netlink", running: ["namespace-selftest"]),
        tests("Libvirt", running: ["LibvirtProbe"], resources: [.copy("Snapshots"), .copy("plain-guest.sh")]),
    ].onFloor("Kernel", of: "Tests")
    + [
        tests("RequestProxy"), tests("ServiceHealth"), tests("GatewayProxy"),
        tests("KubeletServer", running: ["kubelet-selftest"]), tests("KubeletService"),
        tests("NodePlugins"), tests("Kubelet"), tests("PodWorkloads"), tests("RealKubelet"),
        tests("ClusterClient"),
        tests("Datapath", resources: [.copy("Snapshots")]),
        tests("PacketChecks"), tests("Benchmarks"),
        tests("NodeRuntime"),
    ].onFloor("Guest", of: "Tests")
    + [
        tests("NodeLink"), tests("KubeProxy"), tests("NodeImage"),
        tests("Fabric", running: ["namespace-selftest"]),
        tests("VPCServices"),
        tests("ControlPlane", running: ["control-plane-selftest"]), tests("KubeletConformance"),
        tests("CloudController"),
        tests("Operator"), tests("Expectations"),
        tests("Scenario", resources: [.copy("Fixtures")]),
        tests("Diagnosis"), tests("Lab"), tests("Faults"), tests("Runner"), tests("Reports"), tests("LabrunCommands"),
    ].onFloor("Host", of: "Tests")
    + [
        module("NamespaceHarness"),
        module("TestAPIServer"),
        program("namespace-selftest", path: "NamespaceSelftest"),
        program("prober-selftest", path: "ProberSelftest"),
        program("kubelet-selftest", path: "KubeletSelftest"),
        program("node-selftest", path: "NodeSelftest"),
        program("control-plane-selftest", path: "ControlPlaneSelftest"),
        program("LabEntryProbe"),
        program("LibvirtProbe"),
    ].onFloor("Programs", of: "Tests")

// `swift build` builds every target of the package. `make build` says that it needs no tests and no programs of theirs.
let shipsOnly = Context.environment["LABRUN_SHIPS_ONLY"] == "1"

let package = Package(
    name: "labrun",
    products: [
        .executable(name: "labrun", targets: ["labrun"]),
        .executable(name: "labguest", targets: ["labguest"]),
        .executable(name: "labverify", targets: ["labverify"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/CoreOffice/XMLCoder", from: "0.18.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: withDependencies(shared + kernel + guest + host + executables + (shipsOnly ? [] : tests)),
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)

// MARK: Kinds of targets

func strict() -> [SwiftSetting] { [.treatAllWarnings(as: .error)] }

func module(_ name: String, path: String? = nil, resources: [Resource] = []) -> Target {
    .target(name: name, path: path, resources: resources, swiftSettings: strict())
}

func cModule(_ name: String, path: String? = nil) -> Target { .target(name: name, path: path) }

func library(_ name: String, pkgConfig: String, package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

func program(_ name: String, path: String? = nil, linking: [LinkerSetting] = []) -> Target {
    .executableTarget(name: name, path: path, swiftSettings: strict(), linkerSettings: linking)
}

/// It lies in a node's RAM, without a dynamic linker: static, and no dead sections.
func nodeProgram(_ name: String) -> Target {
    program(name, linking: runtimeInside("-static-executable", "-Xlinker", "--gc-sections"))
}

/// Links Swift's runtime and Foundation into a release program, so that it runs where no toolchain is.
///
/// SwiftPM's `--static-swift-stdlib` says so to the compiler too, for all targets, and then tests have no `Testing`:
/// the toolchain has it as a shared library only. The linker alone can do it. What Foundation's modules say of the
/// libraries that they need counts for shared libraries, so the archives behind them are named here.
func runtimeInside(_ options: String...) -> [LinkerSetting] {
    let archives = [
        "CoreFoundation", "_FoundationICU", "_FoundationCollections", "_FoundationCShims", "FoundationEssentials",
        "FoundationInternationalization", "FoundationXML", "_CFXMLInterface", "xml2", "swiftSynchronization",
        "swiftDispatch", "dispatch", "BlocksRuntime",
    ]
    let group = ["-Xlinker", "--start-group"] + archives.map { "-l" + $0 } + ["-Xlinker", "--end-group"]
    return [.unsafeFlags(options + group + ["-lstdc++", "-lm"], .when(configuration: .release))]
}

/// Tests are not optimized, which takes a third off their compiler's time; what they test is.
///
/// - Parameter running: Programs that the tests start.
func tests(_ name: String, running programs: [String] = [], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: programs.map { .byName(name: $0) }, resources: resources,
        swiftSettings: strict() + [.unsafeFlags(["-Onone"])])
}

extension [Target] {
    /// Gives each its folder on a floor. A path with a slash is one from the root already.
    func onFloor(_ floor: String, of root: String = "Sources") -> [Target] {
        for target in self where target.path?.contains("/") != true && target.path != "lab" {
            target.path = "\(root)/\(floor)/\(target.path ?? target.name)"
        }
        return self
    }
}

// MARK: Dependencies

/// The package that has a product; nil where sources import something else, such as Foundation.
func package(of product: String) -> String? {
    switch product {
    case "ArgumentParser": "swift-argument-parser"
    case "Mustache": "swift-mustache"
    case "NIOCore", "NIOEmbedded", "NIOHTTP1", "NIOPosix", "NIOWebSocket": "swift-nio"
    case "Subprocess": "swift-subprocess"
    case "XMLCoder", "Yams": product
    default: nil
    }
}

/// Adds to each target what its Swift sources import.
func withDependencies(_ targets: [Target]) -> [Target] {
    let own = Set(targets.map(\.name))
    for target in targets where target.type != .system {
        let folder = Context.packageDirectory + "/" + (target.path ?? "")
        for name in imports(below: folder).sorted() where name != target.name {
            if own.contains(name) {
                target.dependencies.append(.byName(name: name))
            } else if let package = package(of: name) {
                target.dependencies.append(.product(name: name, package: package))
            }
        }
    }
    return targets
}

/// Names after `import` at the start of a line, attributes and access levels before it aside.
func imports(below folder: String) -> Set<String> {
    var names: Set<String> = []
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    for path in files where path.hasSuffix(".swift") {
        guard let text = try? String(contentsOfFile: folder + "/" + path, encoding: .utf8) else { continue }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").drop {
                $0.hasPrefix("@") || ["public", "package", "internal", "private"].contains($0)
            }
            guard words.first == "import", let name = words.last(where: { !$0.hasPrefix("//") }) else { continue }
            names.insert(String(name.split(separator: ".")[0]))
        }
    }
    return names
}
