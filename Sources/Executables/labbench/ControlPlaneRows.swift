import Foundation
import Reports

/// What a control plane costs: the time until a lab is ready, memory, processor time at rest, and how long a pod takes.
struct ControlPlaneRows {
    let labrun: String
    let rounds: Int
    let folder: String

    /// How long the servers are watched at rest.
    private static let rest = Duration.seconds(30)

    /// Measures only this, in a folder of its own: labs of three nodes, if `hasSmallLabs` says so, and the one of 16.
    /// The folder stays when a measurement fails, since the error names a report in it.
    static func alone(labrun: String, rounds: Int, hasSmallLabs: Bool) throws -> Measured {
        let folder = NSTemporaryDirectory() + "labbench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let small = hasSmallLabs ? try ControlPlaneRows(labrun: labrun, rounds: rounds, folder: folder).run() : nil
        let big = try ManyObjectsRows(labrun: labrun, folder: folder).run()
        try FileManager.default.removeItem(atPath: folder)
        return Measured(rows: (small?.rows ?? []) + big.rows, lacks: (small?.lacks ?? []) + big.lacks)
    }

    func run() throws -> Measured {
        var plain: [Double] = []
        var served: [Double] = []
        var firstPods: [Double] = []
        var shares: [Double] = []
        var memory = 0.0
        // The same lab without and with a control plane take turns, so that a busy moment of the host affects both.
        for round in 1...rounds {
            say("labs without and with a control plane, round \(round) of \(rounds)")
            let without = try KeptLab(labrun, "\(folder)/plain-\(round)", hasControlPlane: false)
            plain.append(try without.end())
            let with = try KeptLab(labrun, "\(folder)/served-\(round)", hasControlPlane: true)
            shares.append(try with.serversShare(during: Self.rest))
            firstPods.append(try with.firstPod())
            memory = max(memory, with.residentMiB(of: "kube-apiserver"))
            served.append(try with.end())
        }
        let (floor, ready) = (median(plain), median(served))
        return Measured(rows: [
            Row(
                name: "three nodes ready with a control plane ÷ without", value: ready / floor, unit: "×", bound: 1.3,
                how: "with \(number(ready)) s, without \(number(floor)) s, \(rounds) rounds"),
            Row(
                name: "first pod of a deployment of 3 Ready after it was bound", value: median(firstPods), unit: "s",
                bound: 1, how: "as a watch tells it; the pod's readiness probe is answered over the network"),
            Row(
                name: "control plane at rest", value: median(shares) * 100, unit: "% of a processor", bound: 6,
                how: "all its servers, \(Self.rest), three nodes, \(rounds) rounds"),
            Row(
                name: "kube-apiserver with three nodes", value: memory, unit: "MiB", bound: 600,
                how: "resident, the most of \(rounds) rounds"),
        ])
    }
}

/// A lab that stays after its only step.
private final class KeptLab {
    private let labrun: String
    private let report: String
    private let process = Process()

    private static let servers = ["kube-", "etcd", "labrun-operator", "labrun-cloud"]
    private static let patience = Duration.seconds(120)
    private static let deployment = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec:
          replicas: 3
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers:
                - name: echo
                  image: echo
                  ports: [{containerPort: 8080}]
                  readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        """

    init(_ labrun: String, _ report: String, hasControlPlane: Bool) throws {
        self.labrun = labrun
        self.report = report
        process.executableURL = URL(fileURLWithPath: labrun)
        process.arguments = [
            "scenario", Bench.root + "/bench/three-nodes.yaml", "--keep", "--report-dir", report, "--set",
            "controlPlane.enabled=\(hasControlPlane)",
        ]
        process.standardInput = Pipe()
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let journal = report + "/journal.jsonl"
        let end = ContinuousClock.now + Self.patience
        while (try? String(contentsOfFile: journal, encoding: .utf8))?.contains("\"stepFinished\"") != true {
            guard process.isRunning, ContinuousClock.now < end else {
                process.interrupt()
                process.waitUntilExit()
                throw BenchError("a lab of three nodes did not come to its end, see \(report)")
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    /// Ends the lab.
    /// - Returns: The seconds from the boot until everything was ready.
    func end() throws -> Double {
        process.interrupt()
        process.waitUntilExit()
        let data = try Data(contentsOf: URL(fileURLWithPath: report + "/report.json"))
        let phases = try RunReport(json: data).phases
        return (phases["boot"] ?? .nan) + (phases["ready"] ?? 0)
    }

    /// The processor time that the servers took, of one processor's.
    func serversShare(during time: Duration) throws -> Double {
        let (before, begun) = (ticks(), ContinuousClock.now)
        Thread.sleep(forTimeInterval: time / .seconds(1))
        let taken = (ContinuousClock.now - begun) / .seconds(1)
        let used = Double(ticks() - before) / Double(sysconf(Int32(_SC_CLK_TCK)))
        guard used > 0 else { throw BenchError("no server of the control plane was found") }
        return used / taken
    }

    /// The seconds between the moments at which a watch tells that a pod is bound, and that it is Ready: the least of
    /// the three pods of a deployment.
    func firstPod() throws -> Double {
        let watch = Process()
        let lines = Pipe()
        watch.executableURL = URL(fileURLWithPath: labrun)
        watch.arguments = [
            "lab", "kubectl", "--", "get", "pods", "-l", "app=web", "-w", "-o",
            "jsonpath={.metadata.name}|{.spec.nodeName}|{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}",
        ]
        watch.standardOutput = lines
        try watch.run()
        defer {
            watch.terminate()
            watch.waitUntilExit()
        }
        let create = Process()
        create.executableURL = URL(fileURLWithPath: labrun)
        let manifest = report + "/three-pods.yaml"
        try Self.deployment.write(toFile: manifest, atomically: true, encoding: .utf8)
        create.arguments = ["lab", "kubectl", "--", "apply", "-f", manifest]
        create.standardOutput = FileHandle.nullDevice
        try create.run()
        var bound: [Substring: ContinuousClock.Instant] = [:]
        var rest = ""
        let end = ContinuousClock.now + Self.patience
        while ContinuousClock.now < end {
            let chunk = lines.fileHandleForReading.availableData
            let now = ContinuousClock.now
            guard !chunk.isEmpty else { break }
            rest += String(decoding: chunk, as: UTF8.self)
            var told = rest.split(separator: "\n", omittingEmptySubsequences: false)
            rest = String(told.removeLast())
            for line in told {
                let fields = line.split(separator: "|", omittingEmptySubsequences: false)
                guard fields.count == 3, !fields[1].isEmpty else { continue }
                let since = bound[fields[0], default: now]
                bound[fields[0]] = since
                if fields[2] == "True" { return (now - since) / .seconds(1) }
            }
        }
        throw BenchError("no pod of a deployment of three became Ready")
    }

    /// The resident memory of the largest process of a name, in MiB.
    func residentMiB(of name: String) -> Double {
        Self.processes().filter { $0.name.hasPrefix(name) }.map { Double($0.pages) * 4 / 1024 }.max() ?? 0
    }

    private func ticks() -> Int {
        Self.processes().filter { process in Self.servers.contains { process.name.hasPrefix($0) } }
            .reduce(0) { $0 + $1.ticks }
    }

    /// All processes: the name, the ticks that they ran, the pages that are resident (proc_pid_stat(5)).
    private static func processes() -> [(name: String, ticks: Int, pages: Int)] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { entry in
            guard Int32(entry) != nil, let text = try? String(contentsOfFile: "/proc/\(entry)/stat", encoding: .utf8),
                let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")")
            else { return nil }
            let fields = text[close...].split(separator: " ").dropFirst().map { Int($0) ?? 0 }
            guard fields.count > 21 else { return nil }
            return (String(text[text.index(after: open)..<close]), fields[11] + fields[12], fields[21])
        }
    }
}
