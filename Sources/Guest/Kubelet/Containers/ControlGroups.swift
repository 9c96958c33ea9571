/// The class of a pod by what it asks for and may take.
enum QualityOfService: String, Sendable {
    case guaranteed = "Guaranteed"
    case burstable = "Burstable"
    case bestEffort = "BestEffort"

    init(_ spec: PodSpec) {
        let containers = spec.initContainers + spec.containers
        var isGuaranteed = true
        var asksNothing = true
        for container in containers {
            for resource in ["cpu", "memory"] {
                let request = container.requests[resource]?.milli ?? 0
                let limit = container.limits[resource]?.milli ?? 0
                if request > 0 || limit > 0 { asksNothing = false }
                if limit == 0 || request != limit { isGuaranteed = false }
            }
        }
        self = asksNothing ? .bestEffort : isGuaranteed ? .guaranteed : .burstable
    }
}

/// Requests and limits as values of cgroup v2.
enum ControlGroups {
    static let period: Int64 = 100_000

    static func container(_ container: PodContainer) -> [ControlGroupValue] {
        values(
            cpuRequest: container.requests["cpu"]?.milli ?? 0, cpuLimit: container.limits["cpu"]?.milli,
            memoryLimit: container.limits["memory"]?.value)
    }

    /// A pod's group has the sum of its containers, at least the largest init container; it has a limit only if every
    /// container has one.
    static func pod(_ spec: PodSpec) -> [ControlGroupValue] {
        func sum(_ resource: (PodContainer) -> Int64?) -> Int64? {
            var total: Int64 = 0
            for container in spec.containers {
                guard let value = resource(container) else { return nil }
                total = total.addingReportingOverflow(value).overflow ? .max : total + value
            }
            for container in spec.initContainers {
                guard let value = resource(container) else { return nil }
                total = max(total, value)
            }
            return total
        }
        return values(
            cpuRequest: sum { $0.requests["cpu"]?.milli ?? 0 } ?? 0, cpuLimit: sum { $0.limits["cpu"]?.milli },
            memoryLimit: sum { $0.limits["memory"]?.value })
    }

    private static func values(cpuRequest: Int64, cpuLimit: Int64?, memoryLimit: Int64?) -> [ControlGroupValue] {
        // Shares of cgroup v1 first, then their image on weights from 1 to 10000.
        let shares = cpuRequest == 0 ? 2 : min(max(2, cpuRequest.multipliedClamped(by: 1024) / 1000), 262_144)
        var values = [ControlGroupValue("cpu.weight", "\(1 + (shares - 2) * 9999 / 262_142)")]
        if let cpuLimit, cpuLimit > 0 {
            values.append(
                ControlGroupValue("cpu.max", "\(max(1000, cpuLimit.multipliedClamped(by: period) / 1000)) \(period)"))
        }
        if let memoryLimit, memoryLimit > 0 { values.append(ControlGroupValue("memory.max", "\(memoryLimit)")) }
        return values
    }

    /// `oom_score_adj` of a container's processes.
    static func oomScoreAdjustment(_ pod: KubePod, _ container: PodContainer, memory: Int64) -> Int {
        let guaranteed = -997
        if pod.isCritical { return guaranteed }
        switch QualityOfService(pod.spec) {
        case .guaranteed: return guaranteed
        case .bestEffort: return 1000
        case .burstable:
            let request = container.requests["memory"]?.value ?? 0
            let score = 1000 - Int(request.multipliedClamped(by: 1000) / max(1, memory))
            return min(max(score, 1000 + guaranteed), 999)
        }
    }
}

extension Int64 {
    /// The product, or the largest number if it is larger.
    func multipliedClamped(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
