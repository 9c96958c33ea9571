import AgentAPI

/// `datapathd status`, in the manner of `cilium status`.
public enum StatusText {
    public static func text(_ status: AgentStatus) -> String {
        var lines: [(String, String)] = [
            ("Datapath:", status.ready ? "Ok   ready" : "Failure   not ready"),
            ("Version:", status.version),
            ("Kernel:", status.kernel),
            ("Node:", "\(status.node.name)   \(status.node.address)"),
            ("IPAM:", "IPv4: \(status.addressesInUse)/\(status.addressesTotal) allocated from \(status.node.podCIDR)"),
            ("Router:", status.node.routerAddress),
            ("Health endpoint:", status.node.healthAddress),
            ("Routing:", "Network: \(status.routing)   Host: BPF   MTU: \(status.podMTU)"),
            ("Masquerading:", status.masquerading ?? "unknown"),
            ("Endpoints:", endpoints(status)),
            (
                "Cluster nodes:",
                status.knownNodes.isEmpty
                    ? "none known"
                    : "\(status.knownNodes.count) known: "
                        + status.knownNodes.joined(separator: ", ")
            ),
            (
                "Objects:",
                status.objects.isEmpty
                    ? "none"
                    : status.objects.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            ),
            ("Agent starts:", "\(status.starts)"),
        ]
        if let server = status.apiServer { lines.insert(contentsOf: kubernetes(server), at: 1) }
        if let tracing = status.tracing { lines.append(("Traces:", traces(tracing))) }
        if let packets = status.flowCachePackets { lines.append(("Flow cache:", "\(packets) packets served")) }
        if let services = status.services { lines.append(("Services:", services)) }
        if let endpoints = status.readyEndpoints { lines.append(("Ready endpoints:", "\(endpoints) in all slices")) }
        if let memory = status.memory {
            lines.append(("Memory:", "\(memory.residentKiB) KiB resident, at most \(memory.peakKiB) KiB"))
        }
        if let cloud = status.cloudInterfaces {
            lines.append(("ENI:", "\(cloud.instanceType)" + (cloud.limit.map { "   at its limit: \($0)" } ?? "")))
            for interface in cloud.interfaces {
                lines.append(
                    (
                        "ENI \(interface.number):",
                        "\(interface.id)   \(interface.addressesInUse)/\(interface.addressesTotal) in use   table "
                            + "\(interface.table)"
                    ))
            }
            if let failure = cloud.failure { lines.append(("ENI problem:", failure)) }
        }
        if !status.kernelFeatures.isEmpty { lines.append(("Kernel features:", features(status.kernelFeatures))) }
        for fallback in status.fallbacks { lines.append(("Fallback:", fallback)) }
        for (key, value) in status.values.sorted(by: { $0.key < $1.key }) {
            lines.append(("Value:", "\(key)=\(value)"))
        }
        for map in status.maps ?? [] { lines.append(("Map:", "\(map.name) \(map.entries)/\(map.capacity)")) }
        for program in status.programs { lines.append(("Program:", program)) }
        for problem in status.objectProblems { lines.append(("Objects problem:", problem)) }
        for problem in status.problems { lines.append(("Problem:", problem)) }
        return lines.map { label, value in
            label + String(repeating: " ", count: max(1, 18 - label.count)) + TextTable.printable(value) + "\n"
        }.joined()
    }

    /// `Ok   1.20 (v1.20.2) [linux/amd64]` or `Failure   …`, and how much was asked.
    private static func kubernetes(_ server: APIServerStatus) -> [(String, String)] {
        let seconds = "\(server.sinceMillis / 1000)." + "\(server.sinceMillis % 1000 / 100)"
        let state =
            server.isConnected
            ? "Ok   " + (server.version ?? "version unknown")
            : "Failure   not connected for \(seconds) s: " + (server.reason ?? "unknown")
        var counts = "\(server.lists) lists, \(server.watches) watches, \(server.events) events"
        if server.unreadable > 0 {
            counts += ", \(server.unreadable) unreadable, last " + (server.lastUnreadable ?? "")
        }
        return [("Kubernetes:", state), ("API server:", server.server + "   " + counts)]
    }

    /// `at every point`, `off`, or the points that report.
    private static func traces(_ tracing: TracingSample) -> String {
        if tracing.points.isEmpty { return "off" }
        return tracing.silent.isEmpty ? "at every point" : "at " + tracing.points.joined(separator: ", ")
    }

    /// `5`, or `5   2 without a veth: default/a, default/b`
    private static func endpoints(_ status: AgentStatus) -> String {
        let unseen = status.endpointsWithoutVeth ?? []
        return "\(status.endpointCount)"
            + (unseen.isEmpty ? "" : "   \(unseen.count) without a veth: " + unseen.joined(separator: ", "))
    }

    /// `8 of 10   missing: …   masked: …`
    private static func features(_ states: [String: String]) -> String {
        func names(_ state: String) -> [String] { states.filter { $0.value == state }.map(\.key).sorted() }
        let parts = ["\(names("available").count) of \(states.count)"]
        return
            (parts
            + ["missing", "masked"].compactMap { state in
                names(state).isEmpty ? nil : "\(state): " + names(state).joined(separator: ", ")
            }).joined(separator: "   ")
    }

    public static func endpoints(_ endpoints: [AgentEndpoint]) -> String {
        var table = TextTable(
            "ENDPOINT", "POLICY (INGRESS)", "POLICY (EGRESS)", "IDENTITY", "POD", "IPv4", "INTERFACE", "IFINDEX", "MAC",
            "LABELS", "STATUS")
        for endpoint in endpoints {
            let labels = endpoint.labels.sorted { $0.key < $1.key }.map {
                $0.value.isEmpty ? $0.key : "\($0.key)=\($0.value)"
            }
            table.add(
                "\(endpoint.id)", enforcement(endpoint, "ingress"), enforcement(endpoint, "egress"),
                "\(endpoint.identity)",
                endpoint.namespace.isEmpty ? endpoint.name : "\(endpoint.namespace)/\(endpoint.name)",
                endpoint.address, endpoint.interface.isEmpty ? "-" : endpoint.interface, "\(endpoint.ifindex)",
                endpoint.mac,
                labels.isEmpty ? "-" : labels.joined(separator: ","), endpoint.state)
        }
        return table.text
    }

    private static func enforcement(_ endpoint: AgentEndpoint, _ direction: String) -> String {
        endpoint.policyEnforcement.contains(direction) ? "Enabled" : "Disabled"
    }

    public static func policies(_ entries: [PolicySample]) -> String {
        var table = TextTable(
            "ENDPOINT", "DIRECTION", "POLICY", "IDENTITY", "LABELS", "PORT/PROTO", "PROXY PORT", "RULE")
        for entry in entries {
            table.add(
                "\(entry.endpointID)", entry.direction, entry.verdict,
                entry.identity == 0 ? "ANY" : "\(entry.identity)",
                entry.labels.isEmpty ? "-" : entry.labels.joined(separator: " "), entry.ports,
                entry.proxyPort.map { "\($0)" } ?? "NONE", entry.rule ?? "-")
        }
        return table.text
    }

    public static func names(_ names: [NameSample]) -> String {
        var table = TextTable("ENDPOINT", "FQDN", "TTL", "EXPIRES IN", "IP", "IDENTITY")
        for name in names {
            table.add(
                "\(name.endpointID)", name.name, "\(name.timeToLive)", "\(name.secondsLeft)s", name.address,
                name.identity.map { "\($0)" } ?? "-")
        }
        return table.text
    }

    public static func identities(_ identities: [AgentIdentity]) -> String {
        var table = TextTable("ID", "LABELS", "LOCAL ENDPOINTS")
        for identity in identities {
            table.add("\(identity.id)", identity.labels.joined(separator: " "), "\(identity.localEndpoints)")
        }
        return table.text
    }

    public static func ipcache(_ entries: [IPCacheEntry]) -> String {
        var table = TextTable("IP PREFIX/ADDRESS", "IDENTITY")
        for entry in entries {
            table.add(
                "\(entry.address)/\(entry.prefix)",
                "identity=\(entry.identity) tunnelendpoint=\(entry.tunnelEndpoint ?? "0.0.0.0")")
        }
        return table.text
    }

    public static func metrics(_ samples: [MetricSample]) -> String {
        var table = TextTable("REASON", "DIRECTION", "PACKETS", "BYTES")
        for sample in samples {
            table.add(
                sample.code == 0 ? sample.reason : "\(sample.reason) (\(sample.code))", sample.direction,
                "\(sample.packets)", "\(sample.bytes)")
        }
        return table.text
    }
}
