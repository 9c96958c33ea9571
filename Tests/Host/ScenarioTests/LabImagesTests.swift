import JSON
import Testing

@testable import Scenario

@Suite struct LabImagesTests {
    @Test func `the shipped catalogue is one`() throws {
        let document = try JSONText.value(of: Array(LabImages.catalogue.utf8))
        let images = try #require(document["images"]?.elements)
        #expect(images.count > 5)
        let names = images.flatMap { $0["names"]?.elements?.compactMap(\.text) ?? [] }
        #expect(Set(names).count == names.count)
        #expect(Set(names).isSuperset(of: ["echo", "busybox", "pause", "*/nginx"]))
        let httpd = try #require(images.first { $0["names"]?.elements?.contains(.string("httpd")) == true })
        #expect(httpd["command"]?.elements?[1] == .string("80"))
    }
}
