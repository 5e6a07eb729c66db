"""What is known, unknown and disputed about one disease."""

from regen_kg.explorer import entity_page

entity_page.draw("disease")
