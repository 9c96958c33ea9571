import Files
import ScenarioReading

/// Reads files by the names that scenarios use.
enum SourceFile {
    /// Reads a regular file, up to one byte more than the limit of a reading.
    static func read(_ path: String) -> Result<[UInt8], ScenarioReader.ManifestError> {
        do throws(RegularFile.Failure) {
            return .success(try RegularFile.read(path, upTo: YAMLReading.byteLimit + 1))
        } catch {
            return .failure(.init(message: error.isMissing ? "there is no file \(path)" : "\(path) \(error)"))
        }
    }

    /// Reads a manifest. Its path is relative to the scenario's folder and must not leave it.
    static func manifest(_ path: String, beside file: String) -> Result<[UInt8], ScenarioReader.ManifestError> {
        guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            return .failure(.init(message: "\(path) is not below the scenario's folder"))
        }
        return read(folder(of: file) + path)
    }

    /// Returns the folder of a file: `scenarios/` for `scenarios/x.yaml`, or the empty text for a bare name.
    static func folder(of file: String) -> String {
        file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    }
}
