import AgentAPI
import BPF
import Datapath
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress
import PacketChecks
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Measures an agent with 5,000 services and 50,000 backends: how long it takes until the kernel has them, how long a
/// killed agent takes to be back, how its flows notice that, and its memory.
enum ServiceScale {
    private static let services = 5000
    private static let backendsEach = 10
    /// The number of objects in a request, since a watch's events also come in batches.
    private static let batch = 250
    private static let echoService = IPv4Address(10, 100, 200, 1)
    private static let port: UInt16 = 80

    static func rows() throws -> [BenchRow] {
        let agent = try TestAgent(in: try TestAgent.nodeAndWorld().node, hasOverlay: true)
        defer { agent.kill() }
        let empty = try agent.start()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        try agent.exchange(try request([service("echo", echoService, .udp)]))
        let echo = try request([slice("echo", [server.address.description], .udp)])
        try agent.exchange(echo)
        let first = try requests(serviceObjects())
        let second = try requests(slices())
        let clock = ContinuousClock()
        let started = clock.now
        for line in first { try agent.exchange(line) }
        let known = clock.now
        for line in second { try agent.exchange(line) }
        let done = clock.now
        try requireBackends(agent)
        let (memory, peak) = (try agent.residentMiB(), try agent.residentMiB("VmHWM"))
        let flow = try EchoFlow(client: client, server: server, to: echoService, port)
        guard flow.waitForAnswers(20) else {
            flow.end()
            throw SelftestFailure(description: "no answers through a service with \(services) others")
        }
        agent.kill()
        let restart: Double
        let phases: String
        let ready: ContinuousClock.Instant
        do {
            restart = try agent.start()
            ready = clock.now
            phases = try agent.startPhases()
            try agent.exchange(echo)
        } catch {
            flow.end()
            throw error
        }
        let answered = clock.now
        _ = flow.waitForAnswers(20)
        flow.end()
        try requireBackends(agent)
        let restartMemory = (try agent.residentMiB(), try agent.residentMiB("VmHWM"))
        let anew = try planAnew(agent)
        let size = "\(services) services, \(services * backendsEach) backends"
        return [
            BenchRow(
                name: "\(size): programmed", value: (done - started) / .seconds(1), unit: "s", atMost: 5,
                how: "services \(BenchRow.number((known - started) / .seconds(1))) s, slices "
                    + "\(BenchRow.number((done - known) / .seconds(1))) s, requests of \(batch)"),
            BenchRow(
                name: "\(size): restart until ready", value: restart, unit: "s", atMost: 2,
                how: "after SIGKILL; without objects \(BenchRow.number(empty)) s; a change is taken "
                    + "\(BenchRow.number((answered - ready) / .seconds(1))) s later; with everything "
                    + "planned anew, as after a kill in the middle of a change, \(BenchRow.number(anew)) s; \(phases)"),
            BenchRow(
                name: "\(size): packets of an established flow lost in the restart", value: Double(flow.lost),
                unit: "packets", atMost: 0, how: "UDP through a service, \(flow.sent) sent"),
            BenchRow(
                name: "\(size): agent resident", value: memory, unit: "MiB", atMost: 100,
                how: "after programming, at most \(BenchRow.number(peak)); after the restart "
                    + "\(BenchRow.number(restartMemory.0)), at most \(BenchRow.number(restartMemory.1))"),
        ]
    }

    /// Restarts the agent without the mark that says that the maps are right.
    private static func planAnew(_ agent: TestAgent) throws -> Double {
        agent.kill()
        let mark = ServiceMark.path(in: agent.statePath)
        try agent.onItsNode { _ = try check("unlink", mark) { unlink(mark) } }
        let seconds = try agent.start()
        try requireBackends(agent)
        return seconds
    }

    /// Compares what the kernel has, whatever the agent reports.
    private static func requireBackends(_ agent: TestAgent) throws {
        let backends: Map<UInt32, BackendEntry> = try Map(pinnedAt: "\(agent.pins)/\(MapName.backends)")
        let count = try backends.keys().count
        guard count == services * backendsEach + 1 else {
            throw SelftestFailure(description: "the kernel has \(count) backends")
        }
    }

    // MARK: Objects

    private static func serviceObjects() -> [Service] {
        (0..<services).map { number in
            service("web-\(number)", IPv4Address(10, 100, UInt8(number / 250), UInt8(number % 250 + 1)), .tcp)
        }
    }

    private static func service(_ name: String, _ address: IPv4Address, _ transport: TransportProtocol) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "default"),
            spec: Service.Spec(
                clusterIP: address.description, selector: ["app": name],
                ports: [Service.Port(protocol: transport, port: port, targetPort: .integer(8080))]))
    }

    private static func slices() -> [EndpointSlice] {
        (0..<services).map { number in
            let addresses = (0..<backendsEach).map { backend in
                let pod = number * backendsEach + backend
                return "192.168.\(2 + pod / 250).\(pod % 250 + 1)"
            }
            return slice("web-\(number)", addresses, .tcp)
        }
    }

    private static func slice(_ service: String, _ addresses: [String], _ transport: TransportProtocol) -> EndpointSlice
    {
        EndpointSlice(
            metadata: ObjectMeta(
                name: service, namespace: "default", labels: [EndpointSlice.serviceNameLabel: service]),
            endpoints: addresses.enumerated().map { number, address in
                EndpointSlice.Endpoint(
                    addresses: [address], conditions: .init(ready: true, serving: true, terminating: false),
                    nodeName: "node\(number % 3 + 1)",
                    targetRef: .init(kind: "Pod", namespace: "default", name: "\(service)-\(number)"))
            }, ports: [EndpointSlice.Port(protocol: transport, port: 8080)])
    }

    private static func requests<Object: KubeObject>(_ objects: [Object]) throws -> [[UInt8]] {
        try stride(from: 0, to: objects.count, by: batch).map { start in
            try request(Array(objects[start..<min(start + batch, objects.count)]))
        }
    }

    private static func request<Object: KubeObject>(_ objects: [Object]) throws -> [UInt8] {
        Array(try JSONEncoder().encode(AgentRequest(.changeObjects, ObjectChanges(objects, removed: []))))
    }
}

/// A UDP flow of a pod through a service: a datagram every few milliseconds, each of which the server answers.
private final class EchoFlow: Sendable {
    private let ended = Atomic(false)
    private let counts = Mutex((sent: 0, answered: 0))
    /// The milliseconds between datagrams.
    private static let pause: Int32 = 5

    init(client: ConnectedPod, server: ConnectedPod, to service: IPv4Address, _ port: UInt16) throws {
        let serving = try NetworkNamespace(path: server.path).run {
            HeldSocket(try TestSocket.bound(server.address, 8080, stream: false))
        }
        let calling = try NetworkNamespace(path: client.path).run {
            let socket = try TestSocket(stream: false)
            try socket.connect(to: service, port)
            return HeldSocket(socket)
        }
        startThread("echo") { while !self.ended.load(ordering: .relaxed) { _ = try? serving.socket.echo() } }
        startThread("flow") {
            while !self.ended.load(ordering: .relaxed) {
                self.counts.withLock { $0.sent += 1 }
                if (try? calling.socket.send("?")) != nil, (try? calling.socket.receive()) != nil {
                    self.counts.withLock { $0.answered += 1 }
                }
                poll(nil, 0, Self.pause)
            }
        }
    }

    var sent: Int { counts.withLock { $0.sent } }
    /// The number of lost datagrams. The one that is under way at the time of the reading does not count.
    var lost: Int { counts.withLock { max(0, $0.sent - $0.answered - 1) } }

    func end() { ended.store(true, ordering: .relaxed) }

    /// Whether this number of further answers came within ten seconds.
    func waitForAnswers(_ count: Int) -> Bool {
        let goal = counts.withLock { $0.answered } + count
        let deadline = Deadline.after(.seconds(10))
        while counts.withLock({ $0.answered }) < goal {
            if deadline.hasPassed { return false }
            poll(nil, 0, 5)
        }
        return true
    }
}

private final class HeldSocket: Sendable {
    let socket: TestSocket
    init(_ socket: consuming TestSocket) { self.socket = socket }
}

extension TestAgent {
    /// What the agent logged at its start, each line with the seconds since the line before.
    func startPhases() throws -> String {
        let lines = String(decoding: try AtomicFile.read(directory + "/agent.log") ?? [], as: UTF8.self)
            .split(separator: "\n")
        var (phases, last): ([String], Double?) = ([], nil)
        for line in lines where line.hasPrefix("time=") {
            guard let time = Double(line.dropFirst(5).prefix { $0 != " " }) else { continue }
            let words = line.split(separator: "\"")
            if let last, words.count > 1 { phases.append("\(words[1]) \(BenchRow.number(time - last)) s") }
            last = time
        }
        return phases.joined(separator: ", ")
    }
}
