import AgentAPI

/// `datapathd service list` and `datapathd bpf lb list`.
enum ServiceText {
    static func services(_ services: [ServiceSample]) -> String {
        var table = TextTable("ID", "FRONTEND", "TYPE", "SERVICE", "AFFINITY", "BACKENDS")
        for one in services {
            let owner = one.name.map { "\(one.namespace ?? "")/\($0)" } ?? "-"
            table.add(
                "\(one.index)", one.frontend, one.type ?? "-", owner,
                one.affinitySeconds == 0 ? "-" : "\(one.affinitySeconds)s",
                one.backends.isEmpty ? "none" : one.backends.map(\.address).joined(separator: ","))
        }
        return table.text
    }

    /// A row for every slot, as `cilium bpf lb list` has them.
    static func loadBalancing(_ content: LoadBalancingSample) -> String {
        var table = TextTable("FRONTEND", "BACKEND")
        for one in content.frontends {
            table.add("\(one.frontend) (0)", "\(one.backends.count) backends, reverse \(one.index)")
            for (slot, backend) in one.backends.enumerated() {
                table.add("\(one.frontend) (\(slot + 1))", "\(backend.address) (\(backend.number))")
            }
        }
        for backend in content.draining { table.add("-", "\(backend.address) (\(backend.number)) draining") }
        return table.text
    }
}
