import Foundation
import Reports
import RunEvents

/// What a big cluster costs: 16 nodes, 500 pods and 1,000 services, given to a lab whose nodes are ready.
///
/// The time is that from the first request of the first object until the last of three things is true: the API server
/// has all objects, every pod is Ready, and every agent has all nodes, pods' addresses, services and ready endpoints in
/// its tables. So it has the giving in it, which is one request after the other.
struct ManyObjectsRows {
    let labrun: String
    let folder: String

    private static let nodes = 16
    private static let deployments = 50
    private static let replicas = 10
    /// Services of each deployment. All of them lead to all its pods.
    private static let services = 20
    private static var objects: Int { deployments * (1 + services) }

    func run() throws -> Measured {
        say("\(Self.nodes) nodes with \(Self.objects) objects")
        let scenario = folder + "/many-objects.yaml"
        let report = folder + "/many-objects"
        try Self.scenario.write(toFile: scenario, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: labrun)
        process.arguments = ["scenario", scenario, "--report-dir", report, "--timeout", "900"]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        var server = PeakResident("kube-apiserver")
        while process.isRunning {
            server.sample(below: process.processIdentifier)
            Thread.sleep(forTimeInterval: 0.5)
        }
        let data = try? Data(contentsOf: URL(fileURLWithPath: report + "/report.json"))
        let told = try data.map { try RunReport(json: $0) }
        guard process.terminationStatus == 0, let told else {
            let reason = told?.message ?? "no report"
            throw BenchError("many-objects ended with \(process.terminationStatus): \(reason), see \(report)")
        }
        return try rows(told, in: report, serverMiB: server.peakMiB)
    }

    private func rows(_ report: RunReport, in folder: String, serverMiB: Double?) throws -> Measured {
        guard let applied = report.steps.last?.applied?.first, applied.objects == Self.objects else {
            throw BenchError("the report says nothing of \(Self.objects) objects, see \(folder)")
        }
        let pods = applied.podsSeconds.map { "all pods Ready after \(number($0)) s" } ?? "not all pods became Ready"
        let lack = applied.behind.first.map { ", \($0)" } ?? ""
        let agents = try agentsMiB(in: folder + "/artifacts")
        var measured = Measured(
            rows: [
                Row(
                    name:
                        "\(Self.deployments * Self.replicas) pods and \(Self.deployments * Self.services) services on "
                        + "\(Self.nodes) nodes in force", value: applied.agentsSeconds ?? .infinity, unit: "s",
                    bound: 30,
                    how:
                        "from the first of \(Self.objects) objects; all given after \(number(applied.givenSeconds)) s, "
                        + pods + lack),
                Row(
                    name: "the largest agent then", value: agents.max() ?? .nan, unit: "MiB", bound: 100,
                    how: "peak resident, of \(agents.count) agents; the median has \(number(median(agents)))"),
            ], lacks: [])
        if let serverMiB {
            measured.rows.append(
                Row(name: "kube-apiserver then", value: serverMiB, unit: "MiB", bound: 600, how: "peak resident"))
        } else {
            measured.lacks.append("the memory of kube-apiserver: the process was not seen")
        }
        guard let requests = report.lab?.controlPlane?.requests else {
            measured.lacks.append("lists and watches: the run has not counted them")
            return measured
        }
        let busiest = requests.clients.filter { $0.count(of: "list") + $0.count(of: "watch") > 0 }.prefix(6).map {
            "\($0.name) \($0.count(of: "list")) + \($0.count(of: "watch"))"
        }
        measured.rows.append(
            Row(
                name: "lists and watches of this run",
                value: Double(requests.count(of: "list") + requests.count(of: "watch")), unit: "requests", bound: nil,
                how: "\(requests.count(of: "list")) + \(requests.count(of: "watch")), boot and all; "
                    + busiest.joined(separator: ", ")))
        return measured
    }

    /// The peak resident memory of each agent, in MiB, as it told at the end: `Memory: 1 KiB resident, at most 2 KiB`.
    private func agentsMiB(in folder: String) throws -> [Double] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("status-") }
        let peaks = try names.compactMap { name -> Double? in
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Memory:") }),
                let place = line.range(of: "at most ")
            else { return nil }
            return Double(line[place.upperBound...].prefix(while: \.isNumber)).map { $0 / 1024 }
        }
        guard peaks.count == Self.nodes else {
            throw BenchError("\(peaks.count) of \(Self.nodes) agents told of their memory, see \(folder)")
        }
        return peaks
    }

    /// Every node reaches every other one, and every agent its API server.
    private static let reached =
        "{within: 120s, matrix: [{from: {kind: node}, to: {kind: node}, outcome: open}], "
        + "apiServer: [{nodes: all, connected: true}]}"

    /// The first step waits for the nodes, and the second gives everything to the API server.
    private static var scenario: String {
        var text = """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata: {name: many-objects, title: \(deployments * replicas) pods and \(deployments * services) services}
            spec:
              lab: eks-control-plane
              overrides: {nodes: {count: \(nodes)}}
              probes:
                pairs:
                  - {from: {kind: node}, to: {kind: node}}
                protocols: [tcp]
                deadline: 10s
              timeline:
                - {name: ready, expect: \(reached)}
                - name: many
                  expect: \(reached)
                  apply:

            """
        for number in 0..<deployments {
            text += """
                        - apiVersion: apps/v1
                          kind: Deployment
                          metadata: {name: web\(number)}
                          spec:
                            replicas: \(replicas)
                            selector: {matchLabels: {app: web\(number)}}
                            template:
                              metadata: {labels: {app: web\(number)}}
                              spec: {containers: [{name: echo, image: echo, ports: [{containerPort: 8080}]}]}

                """
            for service in 0..<services {
                text += """
                            - apiVersion: v1
                              kind: Service
                              metadata: {name: web\(number)-\(service)}
                              spec: {selector: {app: web\(number)}, ports: [{port: 80, targetPort: 8080}]}

                    """
            }
        }
        return text
    }
}
