import Testing

@testable import Kubelet

/// Host ports of pods: who may have them, and what CNI plugins are told.
@Suite struct HostPortTests {
    private func pod(_ ports: String..., name: String = "web", fields: String = "") throws -> KubePod {
        let containers = ports.enumerated().map { index, ports in
            #"{"name": "c\#(index)", "image": "curl:8", "ports": [\#(ports)]}"#
        }
        return try KubeletTests.pod(
            #"{\#(fields) "containers": [\#(containers.joined(separator: ","))]}"#, name: name)
    }

    private func mappings(_ pod: KubePod) throws -> [PortMapping] {
        var bench = try Bench()
        bench.feed(.pod(pod))
        let plans = bench.log.compactMap { if case .makeSandbox(let plan) = $0 { plan } else { nil } }
        #expect(plans.count == 1)
        return try #require(plans.first).portMappings
    }

    @Test func `plugins are told of every container's host ports`() throws {
        let pod = try pod(
            #"{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}, {"containerPort": 82, "hostPort": 0}"#,
            #"{"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.11"}"#,
            #"{"containerPort": 9, "hostPort": 9, "protocol": "SCTP", "hostIP": "0.0.0.0", "name": "s"}"#,
            fields: #"""
                "initContainers": [{"name": "i", "image": "curl:8", "ports": [{"containerPort": 7, "hostPort": 7}]}],
                """#)
        #expect(
            try mappings(pod) == [
                PortMapping(hostIP: "", hostPort: 8080, containerPort: 80, protocolName: "TCP"),
                PortMapping(hostIP: "10.0.0.11", hostPort: 53, containerPort: 53, protocolName: "UDP"),
                PortMapping(hostIP: "0.0.0.0", hostPort: 9, containerPort: 9, protocolName: "SCTP"),
            ])
    }

    @Test func `a pod in the node's network has its ports anyway`() throws {
        let ports = #"{"containerPort": 80, "hostPort": 80}"#
        #expect(try mappings(try pod(ports, fields: #""hostNetwork": true,"#)) == [])
    }

    /// Ports of a pod that is there, and of one that arrives; whether it is taken.
    static let arrivals: [(there: String, arriving: String, isTaken: Bool)] = [
        (#""hostPort": 53"#, #""hostPort": 53"#, false),
        (#""hostPort": 53"#, #""hostPort": 54"#, true),
        (#""hostPort": 53"#, #""hostPort": 53, "protocol": "UDP""#, true),
        (#""hostPort": 53, "protocol": "UDP""#, #""hostPort": 53, "protocol": "UDP""#, false),
        (#""hostPort": 53, "hostIP": "10.0.0.11""#, #""hostPort": 53, "hostIP": "10.0.0.11""#, false),
        (#""hostPort": 53, "hostIP": "10.0.0.11""#, #""hostPort": 53, "hostIP": "127.0.0.1""#, true),
        (#""hostPort": 53, "hostIP": "10.0.0.11""#, #""hostPort": 53"#, false),
        (#""hostPort": 53, "hostIP": "0.0.0.0""#, #""hostPort": 53, "hostIP": "10.0.0.11""#, false),
        (#""hostPort": 53"#, #""name": "dns""#, true),
    ]

    @Test(arguments: arrivals.indices)
    func `no two pods have the same port`(index: Int) throws {
        let (there, arriving, isTaken) = Self.arrivals[index]
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"containerPort": 1, \#(there)}"#, name: "there")))
        bench.feed(.pod(try pod(#"{"containerPort": 1, \#(arriving)}"#)))
        #expect(bench.phase("there") == "Running")
        #expect(bench.phase() == (isTaken ? "Running" : "Failed"))
        if !isTaken {
            #expect(bench.status()["reason"]?.text == "NodePorts")
            #expect(bench.status()["message"]?.text == "Pod Predicate NodePorts failed")
        }
    }

    @Test func `a port is free again when its pod has ended`() throws {
        var bench = try Bench()
        let ports = #"{"containerPort": 1, "hostPort": 53, "protocol": "UDP"}"#
        bench.feed(.pod(try pod(ports, name: "there", fields: #""restartPolicy": "Never","#)))
        try bench.exit("c0", 0)
        bench.feed(.pod(try pod(ports)))
        #expect(bench.phase("there") == "Succeeded" && bench.phase() == "Running")
    }
}
