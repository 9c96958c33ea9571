import JSON
import LabProfiles
import ScenarioReading

/// The names of images that mean something on a node of a lab with a control plane, for `KubeletConfiguration.images`.
public enum LabImages {
    /// `lab/images.yaml` as JSON text.
    public static let catalogue = text(of: LabProfiles.images) ?? #"{"images":[]}"#

    /// What the name of an image stands for.
    enum Workload: Hashable {
        case program
        /// One of the lab's own workloads.
        case builtIn(String)
    }

    private static let workloads: [String: Workload] = {
        let images = (try? JSON.JSONText.value(of: Array(catalogue.utf8)))?["images"]?.elements ?? []
        let pairs = images.flatMap { image in
            (image["names"]?.elements ?? []).compactMap(\.text).map { name in
                (name, image["builtIn"]?.text.map { Workload.builtIn($0) } ?? .program)
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }()

    /// Returns what an image stands for, by the rules of a node's catalogue as far as its names have no tags; nil if it
    /// is not mapped.
    static func workload(of image: String) -> Workload? {
        var name = image.prefix { $0 != "@" }
        let path = name.lastIndex(of: "/") ?? name.startIndex
        if let tag = name[path...].lastIndex(of: ":") { name = name[..<tag] }
        for prefix in ["docker.io/", "index.docker.io/", "library/"] where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
        }
        let last = name.split(separator: "/").last ?? name
        return workloads[String(name)] ?? workloads["*/\(last)"]
    }

    /// Returns a catalogue's YAML as JSON text; nil if it is no YAML.
    package static func text(of bytes: [UInt8]) -> String? {
        let reading = YAMLReading(bytes, file: "images.yaml")
        guard reading.problems.isEmpty, let document = reading.documents.first else { return nil }
        return value(of: document).canonicalText
    }

    private static func value(of yaml: YAMLValue) -> JSONValue {
        switch yaml.content {
        case .list(let items): return .array(items.map(value))
        case .map(let entries):
            return .object(Dictionary(entries.map { ($0.key, value(of: $0.value)) }) { first, _ in first })
        case .scalar(let text, _):
            if let flag = yaml.flag { return .bool(flag) }
            if let number = yaml.integer { return .integer(Int64(number)) }
            return yaml.scalarKind == .null ? .null : .string(text)
        }
    }
}
