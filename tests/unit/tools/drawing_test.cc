// What a chart says when it is told: who lacks whom, and pictures that hold whatever names are.
#include "tools/overlay/drawing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace byway::tools::drawing_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Identity person(std::uint64_t number) {
  Random random(number);
  return Identity::generate(random);
}

// Supernodes 1…n, two in each /24, that all know one another.
Chart mesh_of(std::uint64_t n) {
  Chart chart;
  chart.netgroup_bits_v4 = 24;
  KnownView view;
  for (std::uint64_t i = 1; i <= n; ++i) {
    const Identity who = person(i);
    const Endpoint endpoint =
        *Endpoint::parse("198.51." + std::to_string(i / 2) + "." + std::to_string(i) + ":7000");
    Sighting sighting;
    sighting.id = who.id();
    sighting.endpoint = endpoint;
    sighting.asked = true;
    sighting.state = SupernodeState{.agent = "byway", .leaves = static_cast<std::uint32_t>(i)};
    sighting.rtt = 20ms;
    sighting.view = 0;
    chart.supernodes.emplace(who.id(), sighting);
    view.members[who.id()] = {std::make_shared<const SignedRecord>(
                                  SignedRecord::sign(who, {.id = who.id(),
                                                           .sequence = 1,
                                                           .role = Record::Role::supernode,
                                                           .endpoints = {endpoint},
                                                           .homes = {},
                                                           .agent = "byway"})),
                              true};
    view.holders.push_back(who.id());
  }
  chart.views = {view};
  return chart;
}

// Number `of` has a view of its own, without number `without`.
void split(Chart& chart, std::uint64_t of, std::uint64_t without) {
  KnownView lacking = chart.views[0];
  lacking.members.erase(person(without).id());
  lacking.holders = {person(of).id()};
  std::erase(chart.views[0].holders, person(of).id());
  chart.views.push_back(lacking);
  chart.supernodes.at(person(of).id()).view = 1;
}

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Chart, NamesWhoLacksWhom) {
  Chart chart = mesh_of(4);
  for (const auto& [id, sighting] : chart.supernodes)
    EXPECT_THAT(chart.unknown_to(sighting), IsEmpty());
  split(chart, 2, 3);
  EXPECT_THAT(chart.unknown_to(chart.supernodes.at(person(2).id())), ElementsAre(person(3).id()));
}

TEST(Chart, NamesTheSilentWhoAreStillCountedIn) {
  Chart chart = mesh_of(3);
  Sighting& silent = chart.supernodes.at(person(2).id());
  silent.state.reset();
  silent.view.reset();
  const Sighting& other = chart.supernodes.at(person(1).id());
  EXPECT_THAT(chart.ghosts_of(other), ElementsAre(person(2).id()));
  EXPECT_THAT(chart.unknown_to(other), IsEmpty()) << "whoever is silent need not be known";
  EXPECT_EQ(chart.answered(), 2u);
}

TEST(Drawing, TheSameChartMakesTheSamePicture) {
  EXPECT_EQ(as_svg(mesh_of(20)), as_svg(mesh_of(20)));
  EXPECT_NE(as_svg(mesh_of(20)), as_svg(mesh_of(19)));
}

TEST(Drawing, JoinsThoseWhoKnowOneAnotherAndPointsAtWhatIsMissing) {
  // One of each stands in the legend.
  EXPECT_EQ(count(as_svg(mesh_of(6)), "class=\"line\""), 15u + 1);
  EXPECT_EQ(count(as_svg(mesh_of(6)), "class=\"missing\""), 0u + 1);
  Chart chart = mesh_of(6);
  split(chart, 2, 3);
  EXPECT_EQ(count(as_svg(chart), "class=\"line\""), 14u + 1);
  EXPECT_EQ(count(as_svg(chart), "class=\"missing\""), 1u + 1);
}

TEST(Drawing, WhoeverIsSilentIsHollow) {
  Chart chart = mesh_of(5);
  chart.supernodes.at(person(2).id()).state.reset();
  chart.supernodes.at(person(2).id()).view.reset();
  EXPECT_EQ(count(as_svg(chart), "class=\"silent\""), 1u + 1);
  EXPECT_EQ(count(as_svg(mesh_of(5)), "class=\"silent\""), 0u + 1);
}

TEST(Drawing, NothingFromTheNetworkBreaksOut) {
  Chart chart = mesh_of(2);
  chart.supernodes.at(person(1).id()).state->agent = "\"/><script>alert('x')</script>";
  const std::string svg = as_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
  EXPECT_EQ(xml_escaped("a<b>&\"'\x01\x80"), "a&lt;b&gt;&amp;&quot;&#39;??");
  EXPECT_EQ(dot_escaped("a\"b\\c\n"), "a\\\"b\\\\c?");
}

TEST(Drawing, LargeMeshesAreDrawnWithoutLines) {
  const std::string svg = as_svg(mesh_of(120));
  EXPECT_EQ(count(svg, "class=\"line\""), 0u);
  EXPECT_EQ(count(svg, "class=\"dot\""), 120u);
}

TEST(Drawing, OneAloneAndNobodyAreDrawnToo) {
  EXPECT_THAT(as_svg(mesh_of(1)), HasSubstr("A mesh of 1 supernode<"));
  EXPECT_THAT(as_svg(Chart{}), HasSubstr("A mesh of 0 supernodes<"));
  EXPECT_THAT(as_svg(mesh_of(1)), Not(HasSubstr("nan")));
  EXPECT_THAT(as_svg(Chart{}), Not(HasSubstr("nan")));
}

TEST(Drawing, TheDotHasAnEdgeForEachPairAndOneForWhatIsMissing) {
  Chart chart = mesh_of(6);
  EXPECT_EQ(count(as_dot(chart), "[dir=none]"), 15u);
  split(chart, 2, 3);
  EXPECT_EQ(count(as_dot(chart), "[dir=none]"), 14u);
  EXPECT_EQ(count(as_dot(chart), "style=dashed"), 1u);
  EXPECT_EQ(count(as_dot(chart), "subgraph"), 4u);
}

}  // namespace
}  // namespace byway::tools::drawing_test
