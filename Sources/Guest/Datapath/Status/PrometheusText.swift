import AgentAPI

/// Renders the agent's metrics in Prometheus' text format 0.0.4. They have the names of Cilium's metrics, with
/// `datapath_` before them.
public enum PrometheusText {
    public static func text(_ status: AgentStatus, _ samples: [MetricSample]) -> String {
        let forwarded = samples.filter { $0.code == 0 }
        let dropped = samples.filter { $0.code < 0 }
        func labels(_ sample: MetricSample) -> [(String, String)] {
            let direction = ("direction", sample.direction.uppercased())
            return sample.code == 0 ? [direction] : [direction, ("reason", sample.reason)]
        }
        let families = [
            Family(
                "datapath_forward_count_total", "counter", "Packets seen at a trace point.",
                forwarded.map { (labels($0), "\($0.packets)") }),
            Family(
                "datapath_forward_bytes_total", "counter", "Their bytes.",
                forwarded.map { (labels($0), "\($0.bytes)") }),
            Family(
                "datapath_drop_count_total", "counter", "Dropped packets by reason.",
                dropped.map { (labels($0), "\($0.packets)") }),
            Family(
                "datapath_drop_bytes_total", "counter", "Their bytes.", dropped.map { (labels($0), "\($0.bytes)") }),
            Family(
                "datapath_event_lost_total", "counter", "Events that found the ring buffer full.",
                samples.filter { $0.code > 0 }.map { ([("direction", $0.direction.uppercased())], "\($0.packets)") }),
            Family("datapath_endpoint_count", "gauge", "Endpoints of the node.", [([], "\(status.endpointCount)")]),
            Family(
                "datapath_ipam_addresses", "gauge", "Addresses of the node's range.",
                [
                    ([("state", "used")], "\(status.addressesInUse)"),
                    ([("state", "capacity")], "\(status.addressesTotal)"),
                ]),
            Family(
                "datapath_nodes_known", "gauge", "Nodes of the cluster that the agent knows.",
                [([], "\(status.knownNodes.count)")]),
            Family(
                "datapath_map_entries", "gauge", "Entries of a map after expired ones were last removed.",
                (status.maps ?? []).map { ([("map", $0.name)], "\($0.entries)") }),
            Family(
                "datapath_map_capacity", "gauge",
                "Most entries that the map can hold. A full map replaces the least recently used one.",
                (status.maps ?? []).map { ([("map", $0.name)], "\($0.capacity)") }),
            Family("datapath_ready", "gauge", "1 while pods can be connected.", [([], status.ready ? "1" : "0")]),
            Family(
                "datapath_agent_starts_total", "counter", "Starts of the agent since the node booted.",
                [([], "\(status.starts)")]),
            Family(
                "datapath_kernel_feature", "gauge", "1 for a feature that the kernel offers and that is not masked.",
                status.kernelFeatures.sorted { $0.key < $1.key }.map {
                    ([("feature", $0.key)], $0.value == "available" ? "1" : "0")
                }),
        ]
        return families.filter { !$0.samples.isEmpty }.map(\.text).joined()
    }

    private struct Family {
        let name: String
        let type: String
        let help: String
        let samples: [(labels: [(String, String)], value: String)]

        init(_ name: String, _ type: String, _ help: String, _ samples: [(labels: [(String, String)], value: String)]) {
            self.name = name
            self.type = type
            self.help = help
            self.samples = samples
        }

        var text: String {
            "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
                + samples.map { sample in
                    let labels = sample.labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
                    return name + (labels.isEmpty ? "" : "{\(labels)}") + " \(sample.value)\n"
                }.joined()
        }

        /// Escapes backslash, double quote and line feed, as the format demands.
        private func escaped(_ text: String) -> String {
            var result = ""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "\\": result += "\\\\"
                case "\"": result += "\\\""
                case "\n": result += "\\n"
                default: result.unicodeScalars.append(scalar)
                }
            }
            return result
        }
    }
}
