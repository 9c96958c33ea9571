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

    static let workloads = workloads(of: catalogue)

    /// The workloads that every node has, sorted.
    static let builtIns: [String] = Set(
        workloads.values.compactMap { workload -> String? in if case .builtIn(let name) = workload { name } else { nil }
        } + ["http"]
    ).sorted()

    static func workloads(of catalogue: String) -> [String: Workload] {
        let images = (try? JSON.JSONText.value(of: Array(catalogue.utf8)))?["images"]?.elements ?? []
        let pairs = images.flatMap { image in
            (image["names"]?.elements ?? []).compactMap(\.text).map { name in
                (key(name), image["builtIn"]?.text.map { Workload.builtIn($0) } ?? .program)
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Returns what an image stands for, by the rules of a node's catalogue as far as its names have no tags; nil if it
    /// is not mapped.
    static func workload(of image: String, among workloads: [String: Workload] = workloads) -> Workload? {
        var name = image.prefix { $0 != "@" }
        let path = name.lastIndex(of: "/") ?? name.startIndex
        if let tag = name[path...].lastIndex(of: ":") { name = name[..<tag] }
        name = withoutRegistry(name)
        let last = name.split(separator: "/").last ?? name
        return workloads[String(name)] ?? workloads["*/\(last)"]
    }

    /// Returns the name by which a node's catalogue knows an image: Docker's own registry says nothing.
    static func key(_ name: String) -> String { String(withoutRegistry(name[...])) }

    private static func withoutRegistry(_ name: Substring) -> Substring {
        ["docker.io/", "index.docker.io/", "library/"].reduce(name) { rest, prefix in
            rest.hasPrefix(prefix) ? rest.dropFirst(prefix.count) : rest
        }
    }

    /// Returns the lab's catalogue with a user's images, as JSON text. A name of the user's goes before the lab's own.
    static func catalogue(adding images: YAMLValue?) -> String {
        let added = images?.items.map(value) ?? []
        let taken = Set(added.flatMap { $0["names"]?.elements ?? [] }.compactMap(\.text).map(key))
        let document = try? JSON.JSONText.value(of: Array(catalogue.utf8))
        let own = (document?["images"]?.elements ?? []).compactMap { image -> JSONValue? in
            guard var members = image.members, let names = members["names"]?.elements else { return nil }
            let left = names.filter { name in name.text.map { !taken.contains(key($0)) } ?? false }
            if left.isEmpty { return nil }
            members["names"] = .array(left)
            return .object(members)
        }
        return JSONValue.object(["images": .array(added + own)]).canonicalText
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
