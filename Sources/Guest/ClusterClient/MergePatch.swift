public import JSON

/// Merge patches (RFC 7386) that bring an object to what one of its writers wants.
public enum MergePatch {
    /// Returns the patch, or nil if nothing need be changed. Members that the writer does not name stay, except in the
    /// objects of which all members are the writer's.
    ///
    /// - Parameter whole: The paths of such objects: `spec.ipam.pool`.
    public static func from(
        _ current: JSONValue?, to wanted: JSONValue, whole: Set<String> = [], at path: String = ""
    ) -> JSONValue? {
        guard case .object(let members) = wanted, case .object(let present)? = current else {
            return current == wanted ? nil : wanted
        }
        var patch: [String: JSONValue] = [:]
        for (name, value) in members {
            let below = path.isEmpty ? name : "\(path).\(name)"
            patch[name] = from(present[name], to: value, whole: whole, at: below)
        }
        if whole.contains(path) {
            for name in present.keys where members[name] == nil { patch[name] = .null }
        }
        return patch.isEmpty ? nil : .object(patch)
    }
}
