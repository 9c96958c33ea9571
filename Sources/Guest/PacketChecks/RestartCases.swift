import AgentAPI
import BPF
import CNI
import Datapath
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Kills a real agent, with various leftovers of the kill or of somebody else. The next agent's services must be right
/// at once, and it must report how it came to them.
enum RestartCases {
    private static let address = IPv4Address(10, 100, 0, 10)

    /// Returns the problems found.
    static func problems() throws -> [String] {
        let agent = try TestAgent(in: try TestAgent.nodeAndWorld().node)
        defer { agent.kill() }
        _ = try agent.start()
        try change(agent, [service("web", address), service("old", IPv4Address(10, 100, 0, 11))])
        try change(agent, [slice("web", [1, 2]), slice("old", [9])])
        var problems = try expect("first", agent, ["web": [1, 2], "old": [9]], nil)
        let before = try revision(agent)
        try change(agent, [slice("web", [1, 2])])
        // Flows in the programs' caches are judged anew after every change that the agent has answered for.
        if try revision(agent) <= before { problems.append("the revision of the maps stays at \(before)") }

        try restart(agent) {}
        problems += try expect("restarted", agent, ["web": [1, 2], "old": [9]], "taken over as marked")
        // The agent was asked for nothing between its start and this change.
        try restart(agent) {}
        try change(agent, [slice("web", [2, 3])])
        problems += try expect("changed right after a restart", agent, ["web": [2, 3], "old": [9]], nil)

        let state = agent.statePath
        try restart(agent) {
            try append(CNIText.encode(Line(set: slice("web", [3, 4]))), to: "\(state)/objects/endpointslices.jsonl")
            try append(
                CNIText.encode(Line<Service>(removed: ObjectKey(namespace: "default", name: "old"))),
                to: "\(state)/objects/services.jsonl")
        }
        problems += try expect(
            "killed before the maps", agent, ["web": [3, 4]], "planned anew: objects changed after the maps")

        try restart(agent) {
            let path = ServiceMark.path(in: state)
            let mark = try AtomicFile.read(path) ?? []
            try AtomicFile.write(Array(mark.dropLast(5)), to: path)
        }
        problems += try expect("torn mark", agent, ["web": [3, 4]], "planned anew: mark damaged")

        try restart(agent) {
            let backends: Map<UInt32, BackendEntry> = try Map(pinnedAt: "\(BPFFilesystem.pins)/\(MapName.backends)")
            for (number, entry) in try backends.entries() where entry.isActive {
                try backends.removeValue(for: number)
                return
            }
        }
        problems += try expect("maps changed", agent, ["web": [3, 4]], "planned anew: the maps' content changed")
        return problems
    }

    private struct Line<Object: KubeObject>: Codable {
        var set: Object?
        var removed: ObjectKey?
    }

    private static func restart(_ agent: TestAgent, meanwhile: @escaping @Sendable () throws -> Void) throws {
        agent.kill()
        try agent.onItsNode(meanwhile)
        _ = try agent.start()
    }

    /// What is in `dp_revision`, by which flow caches know that something changed.
    private static func revision(_ agent: TestAgent) throws -> UInt32 {
        try agent.onItsNode {
            let map: Map<UInt32, UInt32> = try Map(pinnedAt: "\(BPFFilesystem.pins)/\(MapName.revision)")
            return try map.value(for: 0) ?? 0
        }
    }

    private static func append(_ line: String, to path: String) throws {
        try FileDescriptor.open(path, O_WRONLY | O_APPEND).writeAll((line + "\n").utf8)
    }

    private static func change<Object: KubeObject>(_ agent: TestAgent, _ objects: [Object]) throws {
        let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges(objects, removed: []))
    }

    /// Compares what the agent and the kernel have, by service and by last octet of its backends, and how the agent
    /// came to it.
    private static func expect(
        _ name: String, _ agent: TestAgent, _ wanted: [String: [UInt8]], _ start: String?
    ) throws -> [String] {
        let status: AgentStatus = try agent.call(.status, NoParameters?.none)
        let kernel: LoadBalancingSample = try agent.call(.loadBalancing, NoParameters?.none)
        let known: [ServiceSample] = try agent.call(.services, NoParameters?.none)
        var problems: [String] = []
        if let start, status.services?.hasPrefix(start) != true {
            problems.append("\(name): services \(status.services ?? "nil"), expected \(start)")
        }
        if !status.objectProblems.isEmpty { problems.append("\(name): \(status.objectProblems)") }
        let counts = [ObjectKind.services: wanted.count, .endpointSlices: 2]
        for (kind, count) in counts where status.objects[kind.rawValue] != count {
            problems.append("\(name): \(status.objects), expected \(count) \(kind.rawValue)")
        }
        let backends = wanted.mapValues { $0.map { "192.168.2.\($0):8080/TCP" } }
        for (whose, samples) in [("kernel", kernel.frontends), ("agent", known)] {
            let found = samples.map { ($0.name ?? $0.frontend, $0.backends.map(\.address)) }
            if Dictionary(found, uniquingKeysWith: +) != backends { problems.append("\(name): \(whose) has \(found)") }
        }
        // Backends without connections are left out, except those that left since the last collection.
        let used = Set(backends.values.joined())
        for left in kernel.draining where used.contains(left.address) {
            problems.append("\(name): \(left.address) is draining")
        }
        return problems
    }

    private static func service(_ name: String, _ address: IPv4Address) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "default"),
            spec: Service.Spec(
                clusterIP: address.description, ports: [Service.Port(port: 80, targetPort: .integer(8080))]))
    }

    private static func slice(_ service: String, _ backends: [UInt8]) -> EndpointSlice {
        EndpointSlice(
            metadata: ObjectMeta(
                name: service, namespace: "default", labels: [EndpointSlice.serviceNameLabel: service]),
            endpoints: backends.map { EndpointSlice.Endpoint(addresses: ["192.168.2.\($0)"]) },
            ports: [EndpointSlice.Port(port: 8080)])
    }
}
