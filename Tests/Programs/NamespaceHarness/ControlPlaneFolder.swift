import Foundation
import NodeImage

/// The programs of a control plane that tests run: those of the folder that `LABRUN_CONTROL_PLANE_BIN` names, or
/// labrun's own from its cache.
public enum ControlPlaneFolder {
    /// There are none. The test then fails and is not skipped, because a skipped test would look green.
    public struct Missing: Error, CustomStringConvertible {
        public let description: String
    }

    static let variable = "LABRUN_CONTROL_PLANE_BIN"

    public static func path() throws -> String {
        if let named = ProcessInfo.processInfo.environment[variable], !named.isEmpty { return named }
        guard let built = ImageStore().cachedControlPlane() else {
            throw Missing(
                description: "there are no programs of a control plane; run `labrun image build --control-plane`, or "
                    + "name a folder with them by \(variable)")
        }
        return built.directory
    }
}
