import JSON

/// What a pod may ask about itself.
enum DownwardAPI {
    /// The value of a `fieldRef`, for a variable or a file; nil for a path that is none.
    static func field(
        _ path: String, of pod: KubePod, addresses: [String], settings: KubeletSettings
    ) -> String? {
        switch path {
        case "metadata.name": return pod.identity.name
        case "metadata.namespace": return pod.identity.namespace
        case "metadata.uid": return pod.identity.uid
        case "metadata.labels": return lines(pod.labels)
        case "metadata.annotations": return lines(pod.annotations)
        case "spec.nodeName": return settings.nodeName
        case "spec.serviceAccountName": return pod.spec.serviceAccount
        case "status.hostIP": return settings.internalIP
        case "status.podIP": return addresses.first ?? ""
        case "status.podIPs": return addresses.joined(separator: ",")
        default:
            for (prefix, map) in [("metadata.labels", pod.labels), ("metadata.annotations", pod.annotations)]
            where path.hasPrefix(prefix + "['") && path.hasSuffix("']") && path.utf8.count > prefix.utf8.count + 4 {
                return map[String(path.dropFirst(prefix.count + 2).dropLast(2))] ?? ""
            }
            return nil
        }
    }

    /// `key="value"` a line, sorted, the value quoted as Go does.
    private static func lines(_ map: [String: String]) -> String {
        map.sorted { $0.key < $1.key }.map { "\($0.key)=\(GoText.quoted($0.value))" }.joined(separator: "\n")
    }

    /// The value of a `resourceFieldRef`; nil for a resource that is none. A limit that is not given is what the node
    /// can allocate.
    static func resource(
        _ field: ResourceField, of pod: KubePod, default container: String, settings: KubeletSettings
    ) -> String? {
        guard let container = pod.spec.container(named: field.container ?? container) else { return nil }
        let parts = field.resource.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, ["limits", "requests"].contains(parts[0]),
            ["cpu", "memory", "ephemeral-storage"].contains(parts[1])
        else { return nil }
        let milli: Int64
        if let given = (parts[0] == "limits" ? container.limits : container.requests)[parts[1]] {
            milli = given.milli
        } else if parts[0] == "limits" {
            milli = settings.resources.allocatable(parts[1])
        } else {
            milli = 0
        }
        let divisor = field.divisor?.milli ?? 1000
        return "\(milli / divisor + (milli % divisor > 0 ? 1 : 0))"
    }
}

extension NodeResources {
    /// Thousandths of what pods may ask for.
    func allocatable(_ resource: String) -> Int64 {
        switch resource {
        case "cpu": milliCPU
        case "memory": (memory - reservedMemory) * 1000
        case "ephemeral-storage": ephemeralStorage * 1000
        case "pods": pods * 1000
        default: 0
        }
    }
}

/// Texts as Go's standard library writes them, since a kubelet's messages are made by it.
enum GoText {
    /// `%q`
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.value < 32 || scalar.value == 127 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }

    /// `%v` of a list of strings: `[a b]`
    static func list(_ texts: [String]) -> String { "[" + texts.joined(separator: " ") + "]" }

    /// `%v` of a `time.Duration` of whole seconds: `1m20s`, `10s`, `0s`
    static func duration(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return (hours > 0 ? "\(hours)h" : "") + (seconds >= 60 ? "\(minutes)m" : "") + "\(seconds % 60)s"
    }
}
