import JSON
import LabProfiles
import ScenarioReading

/// The names of images that mean something on a node of a lab with a control plane, for `KubeletConfiguration.images`.
public enum LabImages {
    /// `lab/images.yaml` as JSON text.
    public static let catalogue = text(of: LabProfiles.images) ?? #"{"images":[]}"#

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
