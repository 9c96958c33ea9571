import Files
import Foundation
import RunEvents

#if canImport(Glibc)
    import Glibc
#endif

/// Writes `journal.jsonl`. Every event is appended with one `write(2)` as it happens, so that a killed run keeps its
/// evidence.
///
/// Every line of the file is complete. When a line does not fit on the disk, its part is cut off again and the journal
/// ends there, because a journal with a gap could tell another story than the run.
public final class Journal: Reporter {
    private let file: String
    private let descriptor: Int32
    private let write: WriteCall
    private var length: off_t = 0
    private var broken = false

    /// Opens a new journal. An existing file of this name is emptied.
    public convenience init(path: String) throws(ReportError) {
        try self.init(path: path, write: .kernel)
    }

    init(path: String, write: WriteCall) throws(ReportError) {
        file = path
        self.write = write
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system(errno, doing: "create", file: path) }
    }

    deinit { close(descriptor) }

    public func consume(_ event: RunEvent) throws {
        guard !broken else { return }
        var line = try EventLine.encode(event)
        line.append(UInt8(ascii: "\n"))
        do throws(ReportError) {
            try write.all(line, to: descriptor, file: file)
        } catch {
            broken = true
            ftruncate(descriptor, length)
            throw error
        }
        length += off_t(line.count)
    }

    public func finish(_ report: RunReport) throws {
        if !broken, fdatasync(descriptor) != 0, errno != EINVAL {
            throw ReportError.system(errno, doing: "flush", file: file)
        }
    }

    /// Reads the events of a journal. A last line that a kill cut short is left out. Any other bad line is an error
    /// that names the line.
    public static func read(path: String) throws(ReportError) -> [RunEvent] {
        let data: Data
        do throws(RegularFile.Failure) { data = Data(try RegularFile.read(path)) } catch {
            throw ReportError(code: .unreadable, subject: path, message: "\(error)")
        }
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var events: [RunEvent] = []
        for (index, line) in lines.enumerated() where !line.isEmpty {
            do { events.append(try EventLine.decode(line)) } catch {
                if index == lines.count - 1 { break }
                throw ReportError(
                    code: .unreadable, subject: path, message: "line \(index + 1) is not a run event: \(error)")
            }
        }
        return events
    }
}
