/// Whether a node takes a pod that has arrived, in the words of a kubelet.
struct Admission {
    struct Rejection: Sendable, Equatable {
        /// The pod's `status.reason`, and the event's.
        var reason: String
        /// The event's message; `status.message` is `Pod ` and it.
        var message: String
    }

    let settings: KubeletSettings
    /// The labels of the node's object.
    let labels: [String: String]
    /// Pods of the node that have not ended.
    let others: [KubePod]
    let hasMemoryPressure: Bool

    func rejection(of pod: KubePod) -> Rejection? {
        pressure(pod) ?? unsupported(pod) ?? sysctls(pod) ?? resources(pod) ?? selection(pod) ?? ports(pod)
    }

    private func pressure(_ pod: KubePod) -> Rejection? {
        guard hasMemoryPressure, !pod.isCritical, QualityOfService(pod.spec) == .bestEffort else { return nil }
        let taint = Taint(key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule")
        guard !pod.spec.tolerations.contains(where: { $0.tolerates(taint) }) else { return nil }
        return Rejection(reason: "Evicted", message: "The node had condition: [MemoryPressure]. ")
    }

    private func unsupported(_ pod: KubePod) -> Rejection? {
        guard let spec = pod.object["spec"] else { return nil }
        let refusals = NodeCapabilities.refusals(spec)
        guard !refusals.isEmpty else { return nil }
        return Rejection(
            reason: "UnsupportedField",
            message: "asks for what this node does not have: " + refusals.map(\.description).joined(separator: "; "))
    }

    private static let safeSysctls: Set<String> = [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    ]

    private func sysctls(_ pod: KubePod) -> Rejection? {
        for name in pod.spec.sysctls.keys.sorted() {
            if pod.spec.isHostNetwork, name.hasPrefix("net.") {
                return Rejection(
                    reason: "SysctlForbidden",
                    message: "forbidden sysctl: \(GoText.quoted(name)) not allowed with host net enabled")
            }
            guard Self.safeSysctls.contains(name) || name.hasPrefix("net.") else {
                return Rejection(
                    reason: "SysctlForbidden", message: "forbidden sysctl: \(GoText.quoted(name)) not whitelisted")
            }
        }
        return nil
    }

    private func resources(_ pod: KubePod) -> Rejection? {
        func lacks(_ resource: String, _ requested: Int64, _ used: Int64, _ capacity: Int64) -> Rejection {
            Rejection(
                reason: "OutOf\(resource)",
                message: "Node didn't have enough resource: \(resource), requested: \(requested), used: \(used), "
                    + "capacity: \(capacity)")
        }
        let pods = settings.resources.pods
        if Int64(others.count) + 1 > pods { return lacks("pods", 1, Int64(others.count), pods) }
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            // Processors are counted in thousandths, everything else in whole units.
            let unit: Int64 = resource == "cpu" ? 1 : 1000
            let requested = Self.request(pod.spec, resource) / unit
            let used = others.reduce(Int64(0)) { $0.addingClamped(Self.request($1.spec, resource) / unit) }
            let capacity = settings.resources.allocatable(resource) / unit
            guard requested == 0 || requested.addingClamped(used) <= capacity else {
                return lacks(resource, requested, used, capacity)
            }
        }
        return nil
    }

    /// Thousandths that a pod asks for: the sum of its containers, at least the largest init container.
    static func request(_ spec: PodSpec, _ resource: String) -> Int64 {
        let sum = spec.containers.reduce(Int64(0)) { $0.addingClamped($1.requests[resource]?.milli ?? 0) }
        return spec.initContainers.reduce(sum) { max($0, $1.requests[resource]?.milli ?? 0) }
    }

    private func selection(_ pod: KubePod) -> Rejection? {
        pod.spec.selects(labels: labels, nodeName: settings.nodeName)
            ? nil : Rejection(reason: "NodeAffinity", message: "Predicate NodeAffinity failed")
    }

    private func ports(_ pod: KubePod) -> Rejection? {
        let taken = others.flatMap { Self.hostPorts($0.spec) }
        let conflicts = Self.hostPorts(pod.spec).contains { port in
            taken.contains {
                $0.port == port.port && $0.protocolName == port.protocolName
                    && ($0.address == port.address || $0.address == "0.0.0.0" || port.address == "0.0.0.0")
            }
        }
        return conflicts ? Rejection(reason: "NodePorts", message: "Predicate NodePorts failed") : nil
    }

    private static func hostPorts(_ spec: PodSpec) -> [(port: UInt16, protocolName: String, address: String)] {
        spec.containers.flatMap(\.ports).compactMap { port in
            port.hostPort.map { ($0, port.protocolName, port.hostIP.isEmpty ? "0.0.0.0" : port.hostIP) }
        }
    }
}

extension Int64 {
    /// The sum, or the largest number if it is larger.
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
